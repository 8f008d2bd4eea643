//! A hundred thousand calls with a planted reason for their refusals, and what the diagnosis makes of them.
//!
//!     cargo run --release --example diagnosis_population
//!
//! Prints a row for each planted reason and noise level: the status of the ten hypotheses, and whether it is what the
//! contract concludes of what was planted. Calls are *polled*, are refused and allowed at once (*mixed*), are answered
//! neither way, and stand in groups of the most unequal sizes. Noise is *wild* where a share is answered against the plan:
//! refused for reasons of its own, or allowed all the same. A generator with fixed seeds makes every run the same.
//!
//! What a row must say is counted in the plan, not read off the diagnosis. A hypothesis that contract §5 lets a single
//! call contradict (all but those that compare rates) does not bear wild noise: there the planted one is not supported,
//! and its row says which calls stand against it. What else is supported must be of the few that the same refused calls
//! support by plan, and the diagnosis must name it as not separable.
//!
//! Last come worlds without a plan, seed after seed: how often chance alone supports a hypothesis. Fisher's bound lets
//! it be one in twenty.

use std::io::{self, Write};
use std::time::Instant;

use sipconsent::call::conversations::Known;
use sipconsent::call::inventory::Inventory;
use sipconsent::call::legs::At;
use sipconsent::call::registration::Registration;
use sipconsent::diagnosis::population::{Answer, Crossing, Hidden, Standing, Unit};
use sipconsent::diagnosis::{Group, Hypothesis, Passage, Population, Status, Weighed, diagnose};
use sipconsent::evidence::{Locus, SourceId, Timestamp};
use sipconsent::facts::{Answerer, ApiRequest, Audience, Texts};
use sipconsent::http::StatusCode;
use sipconsent::settings::{Settings, Trunk, TrunkKind};

const CALLS: usize = 100_000;
const DAY: i64 = 86_400;
const SG1: usize = 0;
const PBX: usize = 1;

/// How much of the population is disturbed, in thousandths of the calls, and how large its groups are.
#[derive(Clone, Copy)]
struct Noise {
    name: &'static str,
    polled: u64,
    mixed: u64,
    unanswered: u64,
    wild: u64,
    sizes: Sizes,
}

/// Shares in thousandths: calls on the standard trunk; on each trunk those without the field, with an invalid value, of
/// unknown consent; calls of the second client.
#[derive(Clone, Copy)]
struct Sizes {
    control: u64,
    missing: u64,
    invalid: u64,
    unknown: u64,
    archiver: u64,
}

const USUAL: Sizes = Sizes { control: 150, missing: 260, invalid: 80, unknown: 40, archiver: 100 };
const UNEQUAL: Sizes = Sizes { control: 20, missing: 10, invalid: 10, unknown: 5, archiver: 10 };

const NONE: Noise = Noise { name: "none", polled: 0, mixed: 0, unanswered: 0, wild: 0, sizes: USUAL };

const NOISES: [Noise; 7] = [
    NONE,
    Noise { name: "polled 40%", polled: 400, ..NONE },
    Noise { name: "mixed 30%", mixed: 300, ..NONE },
    Noise { name: "unequal", polled: 50, mixed: 50, sizes: UNEQUAL, ..NONE },
    Noise { name: "all 40%", polled: 150, mixed: 150, unanswered: 100, ..NONE },
    Noise { name: "wild 5%", polled: 50, mixed: 50, wild: 50, ..NONE },
    Noise { name: "wild 20%", polled: 50, mixed: 50, wild: 200, ..NONE },
];

/// Seeds of the worlds without a plan, at each of three noise levels.
const SEEDS: u64 = 14;

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

/// What the refused calls of a plan support beside it.
const fn inseparable(planted: Hypothesis) -> &'static [Hypothesis] {
    match planted {
        // An invalid value is no consent.
        Hypothesis::ConsentHeader => &[Hypothesis::ConsentHeaderFormat],
        // Without consent are those that lost it, and those that carry an invalid value.
        Hypothesis::ConsentHeaderFormat | Hypothesis::HeaderStripped => &[Hypothesis::ConsentHeader],
        // Both refuse calls with consent, on this trunk alone.
        Hypothesis::FlowNotRecording | Hypothesis::StalePermissionCache => &[Hypothesis::TrunkCapability],
        _ => &[],
    }
}

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
            let texts = Texts {
                method: "GET",
                target: plan.target.as_bytes(),
                client: Some(plan.client.as_bytes()),
                ..Texts::default()
            };
            let place = (Some(second(*at)), Locus { source: SourceId(1), record });
            world.requests.push(ApiRequest::new(place, StatusCode(*status), Audience::RecordingList, &texts));
        }
    }
    world
}

/// One call: where it stands, and what its client is answered.
fn plan(world: &mut World, planted: Option<Hypothesis>, noise: Noise, random: &mut Random, call: usize) {
    let Sizes { control, missing, invalid, unknown, archiver } = noise.sizes;
    let control = random.thousandths(control);
    let group = match random.below(1_000) {
        place if place < missing => Some(Group::Unconsented { invalid: false }),
        place if place < missing + invalid => Some(Group::Unconsented { invalid: true }),
        place if place < missing + invalid + unknown => None,
        _ => Some(Group::Consented),
    };
    let record = call as u64 * 4 + 1;
    let at = |record: u64| At { at: second(record as i64), locus: Locus { source: SourceId(0), record } };
    let missing = group == Some(Group::Unconsented { invalid: false });
    // The SBC's outer side was captured for one call in three. What arrives with consent was sent so; in the world whose
    // SBC loses the field only a wild call's arrives, and the others with consent got it behind the SBC.
    let captured = random.below(3) == 0 && !control;
    let wild = random.thousandths(noise.wild);
    let loses = planted == Some(Hypothesis::HeaderStripped);
    let kept = match group {
        Some(Group::Consented) if !loses || wild => Some(true),
        _ if loses && missing => Some(false),
        _ => None,
    };
    let passage = |kept| Passage { upstream: at(record), here: at(record + 1), kept };
    let passages = kept.filter(|_| captured).map(passage).into_iter().collect();
    let trunk = Some(if control { PBX } else { SG1 });
    let carried_invalid = group == Some(Group::Unconsented { invalid: true });
    let unseen = group.is_none();
    let invites = vec![at(record + 1)];
    let crossing = Crossing {
        trunk,
        group,
        carried_invalid,
        unseen,
        may_be_consented: unseen,
        may_be_unconsented: unseen,
        invites,
        passages,
    };
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
        handled: true,
        sources: [at(record + 2)].into(),
        ..Known::default()
    };
    world.calls.push(Standing { crossings: vec![crossing], control, asked: true, known: Some(known) });

    let client = if random.thousandths(archiver) { "archiver" } else { "crm-sync" };
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
    match random.below(1_000) {
        // For an hour; where permissions go stale within the hour's half, so that the plan's answer stays what it was.
        place if place < noise.polled => {
            let within = |at: i64| if cache { asked - asked % 1_800 + at % 1_800 } else { at };
            answers.extend((1..20).map(|poll| (within(asked + poll * 180), status(refused))));
        }
        // A client without permission, and a target that does not exist, are never answered otherwise.
        place if place < noise.polled + noise.mixed && client == "crm-sync" && !target.contains('?') => {
            answers.extend([(asked + 1, 403), (asked + 6, 200)]);
        }
        place if (noise.polled + noise.mixed..noise.polled + noise.mixed + noise.unanswered).contains(&place) => {
            answers = vec![(asked, 404)];
        }
        _ => {}
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
            hidden: Hidden::default(),
            requests: &self.requests,
            registrations: &self.registrations,
            health: &[],
            beyond_passages: Vec::new(),
            passages: Default::default(),
            inventory: &self.inventory,
            flows: &[],
        }
    }
}

/// What contract §5 concludes of the planted hypothesis, counted in the plan; and of what stands against it, if anything.
fn expected(world: &World, planted: Hypothesis) -> (Status, String) {
    let plans = || world.plans.iter();
    let crossing = |plan: &Plan| world.calls.get(plan.call).and_then(|call| call.on(SG1));
    let allowed = |plan: &&Plan| plan.answers.iter().any(|(_, status)| *status == 200);
    match planted {
        Hypothesis::HeaderStripped => {
            let crossings = world.calls.iter().filter_map(|call| call.on(SG1));
            let kept = crossings.filter(|crossing| crossing.passages.iter().any(|passage| passage.kept)).count();
            (if kept > 0 { Status::Inconclusive } else { Status::Supported }, format!("on {kept} legs consent arrived"))
        }
        Hypothesis::StalePermissionCache => {
            // Half past each hour the trunk registers; the clocks differ by up to two seconds.
            let still = |plan: &&Plan| {
                let consented = crossing(plan).is_some_and(|crossing| crossing.group == Some(Group::Consented));
                let refused = plan.answers.iter().filter(|(_, status)| *status == 403).map(|(at, _)| at);
                let (first, last) = (refused.clone().min(), refused.max());
                let hour = |at: i64| (at - 1_800).div_euclid(3_600);
                consented && first.zip(last).is_some_and(|(first, last)| hour(first + 2) < hour(last - 2))
            };
            let still = plans().filter(still).count();
            let status = if still > 0 { Status::Inconclusive } else { Status::Supported };
            (status, format!("{still} calls were still refused after a REGISTER, others were not"))
        }
        Hypothesis::ClientPermission => {
            let elsewhere = plans().filter(|plan| plan.client == "archiver").filter(allowed).count();
            let status = if elsewhere > 0 { Status::Contradicted } else { Status::Supported };
            (status, format!("the client was allowed on {elsewhere} calls"))
        }
        Hypothesis::WrongEndpoint => {
            let elsewhere = plans().filter(|plan| plan.target.contains('?')).filter(allowed).count();
            let status = if elsewhere > 0 { Status::Contradicted } else { Status::Supported };
            (status, format!("the same kind of target was allowed on {elsewhere} calls"))
        }
        _ => (Status::Supported, String::new()),
    }
}

/// What the row says of the planted hypothesis and the others; `Err` where that is not what must be concluded.
fn judged(world: &World, planted: Option<Hypothesis>, diagnosis: &[Weighed]) -> Result<String, String> {
    let mut supported = diagnosis.iter().filter(|weighed| weighed.status == Status::Supported);
    let Some(planted) = planted else {
        return match supported.next() {
            None => Ok("ok: none supported".to_owned()),
            Some(weighed) => Err(format!("{} is supported", weighed.hypothesis.name())),
        };
    };
    let Some(own) = diagnosis.iter().find(|weighed| weighed.hypothesis == planted) else {
        return Err("no row".to_owned());
    };
    let (status, against) = expected(world, planted);
    if own.status != status {
        return Err(format!("{} where {} is right; {against}", own.status.name(), status.name()));
    }
    for weighed in supported.filter(|weighed| weighed.hypothesis != planted) {
        if !inseparable(planted).contains(&weighed.hypothesis) {
            return Err(format!("{} is supported", weighed.hypothesis.name()));
        }
        if status == Status::Supported && !own.not_separable_from.contains(&weighed.hypothesis) {
            return Err(format!("{} is not named as not separable", weighed.hypothesis.name()));
        }
    }
    Ok(if status == Status::Supported { "ok".to_owned() } else { format!("ok: {}, as {against}", status.name()) })
}

const fn letter(status: Status) -> char {
    match status {
        Status::Supported => 'S',
        Status::Inconclusive => 'I',
        Status::Contradicted => 'C',
        Status::Untested => '-',
    }
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "S supported, I inconclusive, C contradicted, - untested; the planted one in brackets. Columns:")?;
    for hypothesis in Hypothesis::ALL {
        write!(out, " {}", hypothesis.name())?;
    }
    writeln!(out, "\n")?;
    let (mut rows, mut wrong) = (0, 0);
    let mut shown: Vec<(Hypothesis, usize)> = Vec::new();
    for (planted, seed) in PLANTED.into_iter().zip(1..) {
        let mut levels = 0;
        for noise in NOISES {
            let world = world(planted, noise, seed);
            let population = world.population();
            let start = Instant::now();
            let diagnosis = diagnose(&population);
            let taken = start.elapsed();
            write!(out, "{:<23}{:<11}", planted.map_or("nothing", Hypothesis::name), noise.name)?;
            for weighed in &diagnosis {
                let letter = letter(weighed.status);
                if Some(weighed.hypothesis) == planted {
                    levels += usize::from(weighed.status == Status::Supported);
                    write!(out, "[{letter}]")?;
                } else {
                    write!(out, " {letter} ")?;
                }
            }
            let judged = judged(&world, planted, &diagnosis);
            rows += 1;
            wrong += usize::from(judged.is_err());
            let said = judged.unwrap_or_else(|wrong| format!("WRONG: {wrong}"));
            writeln!(out, "  {:>4} ms  {} units  {said}", taken.as_millis(), population.units.len())?;
        }
        shown.extend(planted.map(|planted| (planted, levels)));
    }
    writeln!(
        out,
        "\n{} of {rows} rows as they must be. Noise levels of {} that support the planted one:",
        rows - wrong,
        NOISES.len()
    )?;
    for (planted, levels) in shown {
        writeln!(out, "  {:<23}{levels}", planted.name())?;
    }
    by_chance(&mut out)?;
    if wrong > 0 { Err(io::Error::other("the diagnosis is not what the plan makes it")) } else { Ok(()) }
}

/// How often a hypothesis is supported where refusals have nothing to do with anything seen.
fn by_chance(out: &mut impl Write) -> io::Result<()> {
    let mut worlds = 0;
    let mut supported = [0; Hypothesis::ALL.len()];
    for noise in [NONE, NOISES[4], NOISES[6]] {
        for seed in 0..SEEDS {
            let world = world(None, noise, 1_000 + seed * 7_919);
            worlds += 1;
            for (count, weighed) in supported.iter_mut().zip(diagnose(&world.population())) {
                *count += usize::from(weighed.status == Status::Supported);
            }
        }
    }
    writeln!(out, "\nSupported by chance, in {worlds} worlds of {CALLS} calls where nothing is planted:")?;
    for (hypothesis, count) in Hypothesis::ALL.into_iter().zip(supported) {
        writeln!(out, "  {:<23}{count}", hypothesis.name())?;
    }
    Ok(())
}
