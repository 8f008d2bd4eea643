//! A hundred thousand calls with a planted reason for their refusals, and what the diagnosis makes of them.
//!
//!     cargo run --release --example diagnosis_population
//!
//! Prints a row for each planted reason and noise level: the status of the ten hypotheses, whether the planted one is
//! supported and every other supported one is named as not separable from it, and the time taken. Noise is *mild* where
//! a share of the calls is polled, refused and allowed at once, or answered neither way, and *wild* where another share
//! is answered against the plan (refused for reasons of its own, or allowed all the same). The groups are of unequal
//! size throughout. A generator with a fixed seed makes every run the same.
//!
//! A hypothesis that contract §5 lets a single call contradict (all but those that compare rates) does not bear wild
//! noise: its row then says that calls contradict it.

use std::io::{self, Write};
use std::time::Instant;

use sipconsent::call::conversations::Known;
use sipconsent::call::inventory::Inventory;
use sipconsent::call::legs::At;
use sipconsent::call::registration::Registration;
use sipconsent::diagnosis::population::{Answer, Crossing, Standing, Unit};
use sipconsent::diagnosis::{Group, Hypothesis, Passage, Population, Status, Weighed, diagnose};
use sipconsent::evidence::{Locus, SourceId, Timestamp};
use sipconsent::facts::{Answerer, ApiRequest, Audience};
use sipconsent::http::{Method, StatusCode};
use sipconsent::settings::{Settings, Trunk, TrunkKind};

const CALLS: usize = 100_000;
const DAY: i64 = 86_400;
const SG1: usize = 0;
const PBX: usize = 1;

/// How much of the population is disturbed, in thousandths.
#[derive(Clone, Copy)]
struct Noise {
    name: &'static str,
    mild: u64,
    wild: u64,
}

const NOISES: [Noise; 5] = [
    Noise { name: "none", mild: 0, wild: 0 },
    Noise { name: "mild 10%", mild: 100, wild: 0 },
    Noise { name: "mild 40%", mild: 400, wild: 0 },
    Noise { name: "wild 5%", mild: 100, wild: 50 },
    Noise { name: "wild 20%", mild: 100, wild: 200 },
];

/// Hypotheses that compare rates, and so bear calls answered against the plan.
const STATISTICAL: [Hypothesis; 5] = [
    Hypothesis::ConsentHeader,
    Hypothesis::ConsentHeaderFormat,
    Hypothesis::TrunkCapability,
    Hypothesis::FlowNotRecording,
    Hypothesis::DivisionOrCondition,
];

/// Those that can be planted; `None` is a world whose refusals have nothing to do with anything seen.
const PLANTED: [Option<Hypothesis>; 11] = [
    None,
    Some(Hypothesis::ConsentHeader),
    Some(Hypothesis::ConsentHeaderFormat),
    Some(Hypothesis::HeaderStripped),
    Some(Hypothesis::TrunkCapability),
    Some(Hypothesis::StalePermissionCache),
    Some(Hypothesis::ClientPermission),
    Some(Hypothesis::FlowNotRecording),
    Some(Hypothesis::DivisionOrCondition),
    Some(Hypothesis::WrongEndpoint),
    Some(Hypothesis::GatewayRefusal),
];

/// A linear congruential generator: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn thousandths(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }
}

/// One call for one client before it has requests.
struct Plan {
    call: usize,
    client: &'static str,
    answers: Vec<(i64, u16)>,
    target: &'static str,
    by: Option<Answerer>,
}

/// The owner of what a population borrows.
struct World {
    settings: Settings,
    calls: Vec<Standing>,
    plans: Vec<Plan>,
    requests: Vec<ApiRequest>,
    registrations: Vec<Registration>,
    inventory: Inventory<'static>,
}

fn second(second: i64) -> Timestamp {
    Timestamp::new(second * 1_000_000_000, 3)
}

fn settings() -> Settings {
    let trunk = |name: &str, kind| Trunk { name: name.to_owned(), kind, ..Trunk::default() };
    let trunks = vec![trunk("SG1", TrunkKind::Byoc), trunk("PBX", TrunkKind::Standard)];
    Settings { trunks, ..Settings::default() }
}

fn world(planted: Option<Hypothesis>, noise: Noise, seed: u64) -> World {
    let mut random = Random(seed);
    let registrations: Vec<Registration> = (0..24)
        .map(|hour| Registration {
            at: second(hour * 3_600 + 1_800),
            locus: Locus { source: SourceId(0), record: 1_000_000 + hour as u64 },
            status: Some(200),
            trunk: SG1,
        })
        .collect();
    let mut world = World {
        settings: settings(),
        calls: Vec::new(),
        plans: Vec::new(),
        requests: Vec::new(),
        registrations,
        inventory: Inventory::default(),
    };
    for call in 0..CALLS {
        plan(&mut world, planted, noise, &mut random, call);
    }
    let mut record = 0;
    for plan in &world.plans {
        for (at, status) in &plan.answers {
            record += 1;
            world.requests.push(ApiRequest {
                at: Some(second(*at)),
                locus: Locus { source: SourceId(1), record },
                method: Method("GET".into()),
                target: plan.target.as_bytes().into(),
                status: StatusCode(*status),
                client: Some(plan.client.as_bytes().into()),
                user: None,
                error_code: None,
                error_params: Box::default(),
                request_id: None,
                correlation_id: None,
                answered: None,
                audience: Audience::RecordingList,
                body_has_media_uri: false,
                body_is_no_audio: false,
                recorded: Box::default(),
                batch_errors: Box::default(),
                names: Vec::new(),
            });
        }
    }
    world
}

/// One call: where it stands, and what its client is answered.
fn plan(world: &mut World, planted: Option<Hypothesis>, noise: Noise, random: &mut Random, call: usize) {
    let control = random.thousandths(150);
    let group = match random.below(100) {
        0..62 => Some(Group::Consented),
        62..88 => Some(Group::Unconsented { invalid: false }),
        88..96 => Some(Group::Unconsented { invalid: true }),
        _ => None,
    };
    let record = call as u64 * 4 + 1;
    let at = |record: u64| At { at: second(record as i64), locus: Locus { source: SourceId(0), record } };
    let missing = group == Some(Group::Unconsented { invalid: false });
    // The SBC's outer side was captured for one call in three; it loses the field, or there was none.
    let passages = match planted {
        Some(Hypothesis::HeaderStripped) if !control && missing && random.below(3) == 0 => {
            vec![Passage { upstream: at(record), here: at(record + 1), kept: false }]
        }
        _ => Vec::new(),
    };
    let trunk = Some(if control { PBX } else { SG1 });
    let carried_invalid = group == Some(Group::Unconsented { invalid: true });
    let unknown = group.is_none();
    let crossing = Crossing { trunk, group, carried_invalid, unknown, invites: vec![at(record + 1)], passages };
    // What the platform's export says of the call has a generator of its own: it moves nothing else.
    let mut export = Random(call as u64 ^ 0x9e37_79b9_7f4a_7c15);
    export.below(1);
    let division = export.below(3);
    let recorded = !export.thousandths(300);
    let id = |name: &str, number: u64| [format!("{name}-{number}").into_bytes().into()].into();
    let known = Known {
        divisions: id("division", division),
        queues: id("queue", export.below(12)),
        agents: id("agent", export.below(400)),
        recorded: Some(recorded),
        described: true,
        sources: [at(record + 2)].into(),
        ..Known::default()
    };
    world.calls.push(Standing { crossings: vec![crossing], control, known: Some(known) });

    let client = if random.thousandths(100) { "archiver" } else { "crm-sync" };
    let mut target = "/api/v2/conversations/c0ffee01/recordings";
    let mut by = None;
    let asked = random.below(DAY as u64 - 600) as i64;
    // In this world permissions go stale half an hour before each registration.
    let stale = asked % 3_600 < 1_800;
    let mut refused = match planted {
        None => random.thousandths(120),
        Some(Hypothesis::ConsentHeader) => !control && group.is_some_and(|group| group != Group::Consented),
        Some(Hypothesis::HeaderStripped) => !control && missing,
        Some(Hypothesis::ConsentHeaderFormat) => !control && carried_invalid,
        Some(Hypothesis::TrunkCapability) => !control,
        Some(Hypothesis::StalePermissionCache) => !control && stale,
        Some(Hypothesis::ClientPermission) => client == "archiver",
        Some(Hypothesis::FlowNotRecording) => !control && !recorded,
        Some(Hypothesis::DivisionOrCondition) => division == 2,
        Some(Hypothesis::WrongEndpoint) => {
            let wrong = random.thousandths(300);
            if wrong {
                target = "/api/v2/recordings?conversationId=c0ffee01";
            }
            wrong
        }
        Some(Hypothesis::GatewayRefusal) => {
            let denied = random.thousandths(300);
            if denied {
                by = Some(Answerer::Proxy);
            }
            denied
        }
    };
    let cache = planted == Some(Hypothesis::StalePermissionCache);
    let wild = random.thousandths(noise.wild);
    if wild {
        refused = !refused || cache;
        by = None;
    }
    let status = |refused: bool| if refused { 403 } else { 200 };
    let mut answers = vec![(asked, status(refused))];
    if cache && stale && refused && random.below(4) == 0 {
        // Asked for again when the trunk has registered; what is refused for reasons of its own still is.
        answers.push((asked - asked % 3_600 + 1_800 + 60, status(wild)));
    }
    if random.thousandths(noise.mild) {
        match random.below(3) {
            // Within the hour's half, so that the plan's answer stays what it was.
            0 => answers.extend((1..20).map(|poll| (asked - asked % 1_800 + (asked + poll) % 1_800, status(refused)))),
            // A client without permission, and a target that does not exist, are never answered otherwise.
            1 if client == "crm-sync" && !target.contains('?') => answers.extend([(asked + 1, 403), (asked + 6, 200)]),
            _ => answers = vec![(asked, 404)],
        }
    }
    world.plans.push(Plan { call, client, answers, target, by });
}

impl World {
    fn population(&self) -> Population<'_> {
        let mut requests = self.requests.iter();
        let units = self.plans.iter().map(|plan| {
            let own = requests.by_ref().take(plan.answers.len());
            let answers = own.map(|request| Answer { request, answered_by: plan.by }).collect();
            Unit::new(plan.call, Some(plan.client.as_bytes()), answers)
        });
        Population {
            settings: &self.settings,
            calls: self.calls.clone(),
            units: units.filter(|unit| !unit.answers().is_empty()).collect(),
            loose: Vec::new(),
            requests: &self.requests,
            registrations: &self.registrations,
            health: &[],
            passages: Default::default(),
            inventory: &self.inventory,
            flows: &[],
        }
    }
}

/// What the row says of the planted hypothesis and the others.
fn judged(planted: Option<Hypothesis>, noise: Noise, diagnosis: &[Weighed]) -> &'static str {
    let supported = || diagnosis.iter().filter(|weighed| weighed.status == Status::Supported);
    let Some(planted) = planted else {
        return if supported().next().is_none() { "ok: none supported" } else { "WRONG: something is supported" };
    };
    let own = diagnosis.iter().find(|weighed| weighed.hypothesis == planted);
    let own_status = own.map(|weighed| weighed.status);
    let inseparable = own.map(|weighed| weighed.not_separable_from.as_slice()).unwrap_or_default();
    let told = supported().all(|weighed| weighed.hypothesis == planted || inseparable.contains(&weighed.hypothesis));
    let bears = noise.wild == 0 || STATISTICAL.contains(&planted);
    match own_status {
        Some(Status::Supported) if told => "ok",
        Some(Status::Supported) => "WRONG: another is supported",
        _ if bears => "WRONG: the planted one is not supported",
        _ if supported().next().is_none() => "calls contradict it, none supported",
        _ => "calls contradict it, and another is supported",
    }
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "S supported, I inconclusive, C contradicted, - untested; the planted one in brackets. Columns:")?;
    for hypothesis in Hypothesis::ALL {
        write!(out, " {}", hypothesis.name())?;
    }
    writeln!(out, "\n")?;
    for (planted, seed) in PLANTED.into_iter().zip(1..) {
        for noise in NOISES {
            let world = world(planted, noise, seed);
            let population = world.population();
            let start = Instant::now();
            let diagnosis = diagnose(&population);
            let taken = start.elapsed();
            write!(out, "{:<23}{:<10}", planted.map_or("nothing", Hypothesis::name), noise.name)?;
            for weighed in &diagnosis {
                let letter = match weighed.status {
                    Status::Supported => 'S',
                    Status::Inconclusive => 'I',
                    Status::Contradicted => 'C',
                    Status::Untested => '-',
                };
                if Some(weighed.hypothesis) == planted {
                    write!(out, "[{letter}]")?;
                } else {
                    write!(out, " {letter} ")?;
                }
            }
            let judged = judged(planted, noise, &diagnosis);
            writeln!(out, "  {:>4} ms  {} units  {judged}", taken.as_millis(), population.units.len())?;
        }
    }
    Ok(())
}
