//! What is left after the program was killed.
//!
//! A killed process loses what it has in memory, but not what it gave to the
//! kernel. So these tests show that a change is with the kernel before it is
//! answered, and in one piece, but not that it would survive a loss of power.
//! For that, one test watches the system calls.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use common::directory::TempDir;
use common::program::{Program, command};
use common::random::Random;
use common::{Client, PATIENCE};
use kinetic_drive::Config;
use kinetic_drive::protocol::{
    Algorithm, Encoded, KeyValue, MessageType, RequestBuilder, StatusCode, Synchronization,
};
use rustix::process::{Pid, Signal, kill_process};

/// The `KINETIC_DRIVE_SEED` to repeat a test with, or another one each time.
fn seed() -> u64 {
    let seed = match std::env::var("KINETIC_DRIVE_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
    };
    println!("KINETIC_DRIVE_SEED={seed}");
    seed
}

/// The options of a request on `key` that does not care for versions.
fn forced(key: &[u8], synchronization: Synchronization) -> KeyValue {
    KeyValue {
        key: Some(key.to_vec().into()),
        force: Some(true),
        synchronization: Some(synchronization.into()),
        ..KeyValue::default()
    }
}

/// The value of put number `n`, 0 bytes to 100 KiB.
fn value(n: u64) -> Vec<u8> {
    let len = Random(n).below(if n.is_multiple_of(8) { 100 << 10 } else { 6 << 10 });
    (0..len as u64).map(|i| (i.wrapping_mul(n | 1) >> 3) as u8).collect()
}

/// Put number `n`.
fn put(builder: &mut RequestBuilder, key: &[u8], n: u64, synchronization: Synchronization) -> Encoded {
    let options = KeyValue {
        new_version: Some(n.to_string().into()),
        tag: Some(format!("tag {n}").into()),
        algorithm: Some(Algorithm::Sha2.into()),
        ..forced(key, synchronization)
    };
    builder.key_value(MessageType::Put, options, value(n).len() as u32)
}

/// The number of the put that is stored under `key`, all of whose traces must
/// be there.
fn stored(client: &mut Client, key: &[u8]) -> Option<u64> {
    let request = client.builder.get(key);
    let (answer, read) = client.ask(&request, b"");
    if answer.status() == StatusCode::NotFound {
        return None;
    }
    assert_eq!(answer.status(), StatusCode::Success);
    let entry = answer.key_value().unwrap();
    let n = std::str::from_utf8(entry.db_version()).unwrap().parse().unwrap();
    assert_eq!(entry.tag(), format!("tag {n}").as_bytes());
    assert_eq!(entry.algorithm, Some(Algorithm::Sha2.into()));
    assert!(read == value(n), "the value of put {n}");
    Some(n)
}

/// What may be stored under each key: what was answered last, and what was
/// asked for since then. `None` is no entry.
type Possible = BTreeMap<Vec<u8>, Vec<Option<u64>>>;

/// Changes entries until the connection breaks, with many requests
/// outstanding. Counts the answers in `answered`.
fn change_until_killed(
    mut client: Client,
    name: u64,
    random: &mut Random,
    possible: &mut Possible,
    answered: &AtomicU64,
) {
    const OUTSTANDING: usize = 32;
    let mut outstanding = std::collections::VecDeque::new();
    loop {
        while outstanding.len() < OUTSTANDING {
            let key = format!("key {} of {name}", random.below(40)).into_bytes();
            let (request, value, state) = if random.below(4) == 0 {
                let options = forced(&key, Synchronization::WriteThrough);
                (client.builder.key_value(MessageType::Delete, options, 0), vec![], None)
            } else {
                let n = random.next();
                (put(&mut client.builder, &key, n, Synchronization::WriteThrough), value(n), Some(n))
            };
            let mut bytes = Vec::new();
            request.append_to(&mut bytes);
            bytes.extend_from_slice(&value);
            // From now on the drive may do it.
            possible.entry(key.clone()).or_insert_with(|| vec![None]).push(state);
            client.send_raw(&bytes);
            outstanding.push_back((key, request.sequence));
        }
        let Ok((answer, _)) = client.receive() else {
            return;
        };
        let (key, sequence) = outstanding.pop_front().unwrap();
        assert_eq!(answer.ack_sequence(), Some(sequence));
        assert_eq!(answer.status(), StatusCode::Success);
        // What was there before is no longer possible.
        possible.get_mut(&key).unwrap().remove(0);
        answered.fetch_add(1, Ordering::Release);
    }
}

#[test]
fn answered_changes_survive_a_kill() {
    const CONNECTIONS: u64 = 4;
    const KILLS: u32 = 4;
    let mut random = Random(seed());
    let dir = TempDir::new("kill");
    let mut program = Program::start(&dir, &[]);
    let mut all: Vec<Possible> = vec![Possible::new(); CONNECTIONS as usize];
    for _ in 0..KILLS {
        let goal = 100 + random.below(1000) as u64;
        let answered = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for (name, possible) in (0..).zip(&mut all) {
                let client = Client::connect_to(program.address);
                let mut random = Random(random.next());
                let answered = &answered;
                scope.spawn(move || change_until_killed(client, name, &mut random, possible, answered));
            }
            let deadline = Instant::now() + PATIENCE;
            while answered.load(Ordering::Acquire) < goal {
                assert!(Instant::now() < deadline, "{answered:?} of {goal} answers");
                std::thread::yield_now();
            }
            program.kill();
        });
        program = Program::start(&dir, &[]);
        let mut client = Client::connect_to(program.address);
        let mut entries = 0;
        for (key, possible) in all.iter_mut().flatten() {
            let found = stored(&mut client, key);
            assert!(possible.contains(&found), "{found:?} instead of {possible:?}");
            *possible = vec![found];
            entries += u32::from(found.is_some());
        }
        assert!(entries > 0);
    }
}

#[test]
fn flushed_changes_survive_a_kill() {
    let dir = TempDir::new("flush");
    let mut program = Program::start(&dir, &[]);
    let mut client = Client::connect_to(program.address);
    for n in 1..=200u64 {
        let request = put(&mut client.builder, &n.to_be_bytes(), n, Synchronization::WriteBack);
        assert_eq!(client.ask(&request, &value(n)).0.status(), StatusCode::Success);
    }
    for n in 1..=50u64 {
        let options = forced(&n.to_be_bytes(), Synchronization::WriteBack);
        let request = client.builder.key_value(MessageType::Delete, options, 0);
        assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    }
    // Any connection can flush.
    let mut other = Client::connect_to(program.address);
    let request = other.builder.flush();
    assert_eq!(other.ask(&request, b"").0.status(), StatusCode::Success);
    program.kill();

    let program = Program::start(&dir, &[]);
    let mut client = Client::connect_to(program.address);
    for n in 1..=200u64 {
        assert_eq!(stored(&mut client, &n.to_be_bytes()), (n > 50).then_some(n));
    }
}

/// FLUSH on a request includes what others wrote back before.
#[test]
fn a_flushing_change_takes_earlier_ones_along() {
    let dir = TempDir::new("flushing");
    let mut program = Program::start(&dir, &[]);
    let mut client = Client::connect_to(program.address);
    let mut other = Client::connect_to(program.address);
    let request = put(&mut other.builder, b"other", 8, Synchronization::WriteBack);
    other.ask(&request, &value(8));
    let request = put(&mut client.builder, b"mine", 9, Synchronization::Flush);
    client.ask(&request, &value(9));
    program.kill();

    let program = Program::start(&dir, &[]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(stored(&mut client, b"other"), Some(8));
    assert_eq!(stored(&mut client, b"mine"), Some(9));
}

#[test]
fn an_answered_batch_survives_a_kill() {
    let dir = TempDir::new("batch");
    let mut program = Program::start(&dir, &[]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"old", b"value"), StatusCode::Success);
    let request = client.builder.start_batch(7);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    for key in [b"one", b"two"] {
        let request = client.builder.put_in_batch(7, key, 3);
        client.send(&request, key);
    }
    let request = client.builder.delete_in_batch(7, b"old");
    client.send(&request, b"");
    let request = client.builder.end_batch(7, 3);
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    program.kill();

    let program = Program::start(&dir, &[]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.get(b"one"), (StatusCode::Success, b"one".to_vec()));
    assert_eq!(client.get(b"two"), (StatusCode::Success, b"two".to_vec()));
    assert_eq!(client.get(b"old").0, StatusCode::NotFound);
}

#[test]
fn a_full_disk_store_has_no_space_later_either() {
    let dir = TempDir::new("full");
    let mut program = Program::start(&dir, &["--capacity", "10000"]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"one", &[1; 9000]), StatusCode::Success);
    assert_eq!(client.put(b"two", &[2; 9000]), StatusCode::NoSpace);
    program.kill();

    let program = Program::start(&dir, &["--capacity", "10000"]);
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"two", &[2; 9000]), StatusCode::NoSpace);
    assert_eq!(client.get(b"two").0, StatusCode::NotFound);
    let request = client.builder.delete(b"one");
    assert_eq!(client.ask(&request, b"").0.status(), StatusCode::Success);
    assert_eq!(client.put(b"two", &[2; 9000]), StatusCode::Success);
}

#[test]
fn a_drive_that_has_lost_changes_does_not_end_well() {
    let dir = TempDir::new("lost");
    let drive = command(&dir);
    let mut shell = Command::new("sh");
    // Writing beyond a file's limit fails, with the signal for it ignored.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""]);
    shell.arg(drive.get_program()).args(drive.get_args());
    let mut program = Program::spawn(&mut shell);
    let mut client = Client::connect_to(program.address);
    // Larger than the limit in whatever unit the shell has it. Nothing is promised, so it may be answered.
    let value = vec![7; 1 << 20];
    for n in 0..24_u64 {
        let key_value = forced(&n.to_be_bytes(), Synchronization::WriteBack);
        let request = client.builder.key_value(MessageType::Put, key_value, value.len() as u32);
        let status = client.ask(&request, &value).0.status();
        assert!([StatusCode::Success, StatusCode::InternalError].contains(&status), "{status:?}");
    }
    kill_process(Pid::from_child(&program.child), Signal::TERM).unwrap();
    assert_eq!(program.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_directory_belongs_to_one_drive() {
    let dir = TempDir::new("one");
    let mut program = Program::start(&dir, &[]);
    let output = command(&dir).output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message, format!("kinetic-drive: {}: in use by another drive\n", dir.0.display()));
    // Nothing happened to the first one.
    let mut client = Client::connect_to(program.address);
    assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
    program.kill();
    // A killed drive does not keep the directory.
    let program = Program::start(&dir, &[]);
    assert_eq!(Client::connect_to(program.address).get(b"key"), (StatusCode::Success, b"value".to_vec()));
}

/// The directory is free when the drive is dropped, also if connections are
/// ending at that moment.
#[test]
fn a_dropped_drive_leaves_everything_on_the_disk() {
    let dir = TempDir::new("drop");
    for n in 1..=20u64 {
        let drive = common::start_with(Config { dir: Some(dir.0.clone()), ..Config::default() });
        let mut client = Client::connect(&drive);
        let idle = Client::connect(&drive);
        let request = put(&mut client.builder, b"key", n, Synchronization::WriteBack);
        assert_eq!(client.ask(&request, &value(n)).0.status(), StatusCode::Success);
        drop(client);
        drop(drive);
        drop(idle);
        let drive = common::start_with(Config { dir: Some(dir.0.clone()), ..Config::default() });
        assert_eq!(stored(&mut Client::connect(&drive), b"key"), Some(n));
    }
}

/// A drive that would outlive its strace, killed when dropped.
struct Traced(Pid);

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// What is written is on the disk, not only with the kernel, when a put is
/// answered.
#[test]
fn an_answer_comes_after_the_disk_was_waited_for() {
    let probe = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!(
            "SKIPPED: whether puts are synced before they are answered, as strace does not work: {probe:?}"
        );
        return;
    }
    let dir = TempDir::new("strace");
    let trace = TempDir::new("strace-output");
    let drive = command(&dir);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=fsync,fdatasync,sendmsg", "-o"]).arg(&trace.0);
    strace.arg(drive.get_program()).args(drive.get_args());
    let mut program = Program::spawn(&mut strace);
    let mut client = Client::connect_to(program.address);
    // The first column is the process. There are lines already, since the
    // drive has synced its new directory.
    let drive = fs::read_to_string(&trace.0).unwrap();
    let drive = drive.split_whitespace().next().unwrap().parse().unwrap();
    let drive = Traced(Pid::from_raw(drive).unwrap());
    for n in 1..=3u64 {
        let request = put(&mut client.builder, &[n as u8], n, Synchronization::WriteThrough);
        assert_eq!(client.ask(&request, &value(n)).0.status(), StatusCode::Success);
    }
    // With the drive strace ends, and its output is complete.
    drop(drive);
    program.child.wait().unwrap();

    // A sync is noted where it ends, an answer where it begins.
    let text = fs::read_to_string(&trace.0).unwrap();
    let calls: Vec<&str> = text
        .lines()
        .filter_map(|line| match line {
            line if line.contains("sendmsg(") => Some("send"),
            line if line.contains("sync") && line.ends_with("= 0") => Some("sync"),
            _ => None,
        })
        .collect();
    let answers: Vec<_> = calls.split(|&call| call == "send").collect();
    // Before the greeting, before each of three answers, and after them.
    assert_eq!(answers.len(), 5, "{text}");
    for before in &answers[1..4] {
        assert!(before.contains(&"sync"), "{text}");
    }
    fs::remove_file(&trace.0).unwrap();
}
