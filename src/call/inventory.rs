//! The trunks that an inventory of the platform lists, tied to those of the configuration.
//!
//! By the id that the configuration gives, directly or through the base settings an instance is made of; where it gives
//! none, by the name. An inventory never changes what kind of trunk a leg crossed: that is the configuration's to say.

use std::collections::BTreeMap;

use super::identifier::normal;
use crate::facts::{Exports, InventoryKind, TrunkSettings};
use crate::settings::{Settings, TrunkKind};

/// What the inventories among the evidence say of trunks.
#[derive(Debug, Default)]
pub struct Inventory<'e> {
    /// Every listed trunk, with the configured one it is, by its index in the settings.
    listed: Vec<(&'e TrunkSettings, Option<usize>)>,
    /// Configured trunks by the ids that name them.
    by_id: BTreeMap<Box<[u8]>, usize>,
}

impl<'e> Inventory<'e> {
    /// Ties the trunks of `exports` to those of `settings`.
    #[must_use]
    pub fn of(exports: &'e Exports, settings: &Settings) -> Self {
        let mut by_id = BTreeMap::new();
        let configured = || settings.trunks.iter().enumerate();
        for (place, trunk) in configured() {
            if let Some(id) = &trunk.id {
                by_id.entry(normal(id.as_bytes())).or_insert(place);
            }
        }
        for listed in exports.trunks.iter().filter(|listed| listed.kind != InventoryKind::Internal) {
            let (Some(id), Some(name)) = (&listed.id, &listed.name) else { continue };
            let mut alike = configured().filter(|(_, trunk)| trunk.name.as_bytes().eq_ignore_ascii_case(name));
            if let (Some((place, trunk)), None) = (alike.next(), alike.next())
                && trunk.id.is_none()
            {
                by_id.entry(normal(id)).or_insert(place);
            }
        }
        // An instance is its base settings' trunk, and these are the trunk of an instance that is named.
        let pairs = || {
            exports
                .trunks
                .iter()
                .filter_map(|listed| Some((normal(listed.id.as_ref()?), normal(listed.base.as_ref()?))))
        };
        for (id, base) in pairs() {
            if let Some(place) = by_id.get(&id).copied() {
                by_id.entry(base).or_insert(place);
            }
        }
        for (id, base) in pairs() {
            if let Some(place) = by_id.get(&base).copied() {
                by_id.entry(id).or_insert(place);
            }
        }
        let of = |listed: &TrunkSettings| match &listed.id {
            Some(id) => by_id.get(&normal(id)).copied(),
            // Terraform names no id.
            None => {
                let name = listed.name.as_ref()?;
                let mut alike = configured().filter(|(_, trunk)| trunk.name.as_bytes().eq_ignore_ascii_case(name));
                alike.next().filter(|_| alike.next().is_none()).map(|(place, _)| place)
            }
        };
        let listed = exports.trunks.iter().map(|listed| (listed, of(listed))).collect();
        Self { listed, by_id }
    }

    /// The configured trunk that an id names.
    #[must_use]
    pub fn named(&self, id: &[u8]) -> Option<usize> {
        self.by_id.get(&normal(id)).copied()
    }

    /// Every listed trunk that a caller's leg may cross.
    pub fn external(&self) -> impl Iterator<Item = &'e TrunkSettings> {
        self.listed.iter().map(|(listed, _)| *listed).filter(|listed| listed.kind != InventoryKind::Internal)
    }

    /// What is listed of the configured trunk of that index.
    pub fn of_trunk(&self, trunk: usize) -> impl Iterator<Item = &'e TrunkSettings> {
        self.listed.iter().filter(move |(_, own)| *own == Some(trunk)).map(|(listed, _)| *listed)
    }

    /// The configured trunks that are said to be standard and are listed as brought by the carrier.
    #[must_use]
    pub fn disagreeing(&self, settings: &Settings) -> Vec<(usize, &'e TrunkSettings)> {
        let standard =
            |place: &usize| settings.trunks.get(*place).is_some_and(|trunk| trunk.kind == TrunkKind::Standard);
        let mut found: Vec<_> = self
            .listed
            .iter()
            .filter(|(listed, _)| listed.kind == InventoryKind::Byoc)
            .filter_map(|(listed, place)| Some((place.filter(standard)?, *listed)))
            .collect();
        found.sort_by_key(|(place, listed)| (*place, listed.locus));
        found.dedup_by_key(|(place, _)| *place);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Locus, SourceId};
    use crate::settings::Trunk;

    fn listed(id: Option<&str>, name: &str, base: Option<&str>, kind: InventoryKind) -> TrunkSettings {
        let text = |text: &str| text.as_bytes().into();
        TrunkSettings {
            locus: Locus { source: SourceId(0), record: 1 },
            id: id.map(text),
            name: Some(text(name)),
            base: base.map(text),
            kind,
            active: true,
            recording: None,
            consent_required: None,
            registered: None,
            options_answered: None,
        }
    }

    #[test]
    fn trunks_are_tied_by_id_by_base_and_by_name() {
        let trunk = |name: &str, kind, id: Option<&str>| Trunk {
            name: name.to_owned(),
            kind,
            id: id.map(str::to_owned),
            ..Trunk::default()
        };
        let settings = Settings {
            trunks: vec![
                trunk("SG1", TrunkKind::Byoc, Some("51600000-0000-4000-8000-00000000000A")),
                trunk("PBX", TrunkKind::Standard, None),
                trunk("twin", TrunkKind::Byoc, None),
                trunk("Twin", TrunkKind::Byoc, None),
            ],
            ..Settings::default()
        };
        let exports = Exports {
            trunks: vec![
                listed(Some("51600000-0000-4000-8000-00000000000a"), "other", None, InventoryKind::Byoc),
                listed(Some("i1"), "instance", Some("51600000-0000-4000-8000-00000000000A"), InventoryKind::Byoc),
                listed(Some("b2"), "pbx", None, InventoryKind::Byoc),
                listed(Some("i2"), "x", Some("b2"), InventoryKind::Unsaid),
                listed(Some("b3"), "SG1", None, InventoryKind::Byoc),
                listed(Some("b4"), "twin", None, InventoryKind::Byoc),
                listed(None, "SG1", None, InventoryKind::Byoc),
                listed(Some("p"), "PBX", None, InventoryKind::Internal),
            ],
            ..Exports::default()
        };
        let inventory = Inventory::of(&exports, &settings);
        let named = ["51600000-0000-4000-8000-00000000000a", "i1", "b2", "i2", "b3", "b4", "p"];
        let found = named.map(|id| inventory.named(id.as_bytes()));
        assert_eq!(found, [Some(0), Some(0), Some(1), Some(1), None, None, None]);
        assert_eq!(inventory.of_trunk(0).count(), 3);
        let disagreeing: Vec<usize> = inventory.disagreeing(&settings).into_iter().map(|(place, _)| place).collect();
        assert_eq!(disagreeing, [1]);
    }
}
