//! The same calls, against the same scripted peer, with this driver on both engines and with the flow of libkinetic's
//! socket driver: what differs is listed, with its reason, or a fault.
//!
//! `KTLI_DIFFERENTIAL_CASES` sets how many sequences are tried, and `KTLI_DIFFERENTIAL_SEED` repeats a run: the seed is
//! printed. A sequence that fails is made as short as it can be, and noted in `regressions.txt`, from where later runs
//! try it first.

mod differences;
mod event;
mod peer;
mod script;
mod subject;
mod world;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use differences::{DIFFERENCES, explain};
use event::Event;
use ktli_client::options::be_quiet;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use script::{Script, Step, script};
use subject::Subject;

/// How long a sequence may take, which usually takes some milliseconds.
const HANG: Duration = Duration::from_secs(60);

/// How many at a time: they wait most of the time.
const WORKERS: u64 = 8;

/// How often each listed difference was met.
type Met = BTreeMap<&'static str, u64>;

/// A run with one driver, on a thread of its own, since it may hang.
fn start(script: &Arc<Script>, subject: Subject) -> impl FnOnce() -> Result<Vec<Event>, String> + use<> {
    let at = Arc::new(AtomicUsize::new(0));
    let (send, receive) = mpsc::channel();
    thread::spawn({
        let (script, at) = (Arc::clone(script), Arc::clone(&at));
        move || send.send(world::run(&script, subject, &at))
    });
    move || {
        receive.recv_timeout(HANG).map_err(|error| {
            format!("{subject:?} hangs or panics in step {}: {error}", at.load(Ordering::Relaxed))
        })?
    }
}

/// Runs the script with all drivers and compares. Returns how often each listed difference occurred.
fn compare(script: &Script) -> Result<Met, String> {
    // It would tell of each end.
    be_quiet();
    let script = Arc::new(script.clone());
    let runs = [Subject::Stock, Subject::Uring, Subject::Plain].map(|subject| start(&script, subject));
    let [stock, uring, plain] = runs.map(|finish| finish());
    let stock = stock?;
    let mut met = Met::new();
    for (subject, ours) in [(Subject::Uring, uring?), (Subject::Plain, plain?)] {
        for (index, (stock_event, our_event)) in stock.iter().zip(&ours).enumerate() {
            if stock_event.outcome == our_event.outcome {
                continue;
            }
            match explain(stock_event, our_event) {
                Some(difference) => *met.entry(difference.name).or_default() += 1,
                None => return Err(report(subject, &stock[..=index], &ours)),
            }
        }
    }
    Ok(met)
}

/// What has happened until they differed.
fn report(subject: Subject, stock: &[Event], ours: &[Event]) -> String {
    let mut text = format!("{subject:?} differs from the stock flow, and that is not listed:\n");
    for (stock, ours) in stock.iter().zip(ours) {
        let _ = writeln!(text, "  {:?}: {:?}, {:?}", stock.step, stock.outcome, ours.outcome);
    }
    if let (Some(stock), Some(ours)) = (stock.last(), ours.get(stock.len() - 1)) {
        let _ = writeln!(text, "before, stock: {:?}\nbefore, ours: {:?}", stock.seen, ours.seen);
    }
    text
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// One share of the random sequences.
fn random_share(seed: u64, worker: u64, cases: u32, failed: &AtomicBool) -> Result<Met, String> {
    let regressions = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/regressions.txt");
    let config = Config {
        cases,
        max_shrink_iters: 1000,
        max_shrink_time: 120_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        source_file: Some(file!()),
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&worker.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let met = Mutex::new(Met::new());
    let first = Cell::new(false);
    let result = runner.run(&script(), |script| {
        // One failure is enough to make short.
        if failed.load(Ordering::Relaxed) && !first.get() {
            return Ok(());
        }
        let differences = compare(&script).map_err(|why| {
            if !failed.swap(true, Ordering::Relaxed) {
                eprintln!("KTLI_DIFFERENTIAL_SEED={seed}: {why}\n{script:?}");
                first.set(true);
            }
            TestCaseError::fail(why)
        })?;
        for (name, count) in differences {
            *met.lock().unwrap().entry(name).or_default() += count;
        }
        Ok(())
    });
    match result {
        Ok(()) => Ok(met.into_inner().unwrap()),
        Err(TestError::Fail(why, script)) => Err(format!("{why}\n{script:#?}")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn random_sequences_differ_only_as_listed() {
    let seed = from_environment("KTLI_DIFFERENTIAL_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let cases = from_environment("KTLI_DIFFERENTIAL_CASES").unwrap_or(3000);
    println!("KTLI_DIFFERENTIAL_SEED={seed} repeats these {cases} sequences");
    let share = u32::try_from(cases.div_ceil(WORKERS)).unwrap();
    let failed = &AtomicBool::new(false);
    let results: Vec<_> = thread::scope(|scope| {
        let workers =
            (0..WORKERS).map(|worker| scope.spawn(move || random_share(seed, worker, share, failed)));
        let workers: Vec<_> = workers.collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let mut total = Met::new();
    for result in results {
        match result {
            Ok(met) => met.into_iter().for_each(|(name, count)| *total.entry(name).or_default() += count),
            Err(why) => panic!("KTLI_DIFFERENTIAL_SEED={seed}: {why}"),
        }
    }
    for (name, count) in total {
        println!("{count:8} times: {name}");
    }
}

/// A difference that is not there any more has no place in the list: it would hide a fault.
#[test]
fn each_listed_difference_occurs() {
    for difference in DIFFERENCES {
        let script = Script { narrow: true, steps: (difference.shown_by)() };
        let occurs = |_| {
            let met = compare(&script).unwrap_or_else(|why| panic!("{}: {why}", difference.name));
            met.contains_key(difference.name)
        };
        assert!((0..20).any(occurs), "{:?} does not occur any more: {}", difference.name, difference.reason);
    }
}

/// No entry of the list explains everything.
#[test]
fn what_is_not_listed_is_found() {
    let script = Script { narrow: false, steps: vec![Step::Connect, Step::Send(vec![9, 70]), Step::Poll(0)] };
    let at = AtomicUsize::new(0);
    let mut stock = world::run(&script, Subject::Stock, &at).unwrap();
    let ours = world::run(&script, Subject::Uring, &at).unwrap();
    assert!(stock.iter().zip(&ours).all(|(stock, ours)| stock.outcome == ours.outcome));
    for event in &mut stock {
        event.outcome = event::Outcome::Done(1_000_000);
    }
    assert!(stock.iter().zip(&ours).all(|(stock, ours)| explain(stock, ours).is_none()));
}
