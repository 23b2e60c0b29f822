//! What only a store on disk has to do.

use std::io::{BufRead, BufReader};
use std::ops::Bound::Unbounded;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::Instant;
use std::{fs, thread};

use super::*;
use crate::store::tests::{KEY, TempDir, delete, entry, fill, put};
use crate::store::{Expected, Store};

/// Tests do not measure time: this only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(20);

const CAPACITY: u64 = 256 << 20;

fn open(dir: &TempDir) -> Disk {
    Disk::open(dir.path(), CAPACITY).unwrap()
}

/// A store that commits only when it is told to, or full.
fn patient(dir: &TempDir) -> Disk {
    Disk::open_with_interval(dir.path(), CAPACITY, Duration::from_secs(3600)).unwrap()
}

fn refusal(dir: &TempDir) -> String {
    Store::open(dir.path(), CAPACITY).map(drop).unwrap_err().to_string()
}

fn value_of(len: usize) -> Bytes {
    (0..len).map(|n| (n % 251) as u8).collect::<Vec<_>>().into()
}

/// How many commits there were.
fn commits(disk: &Disk) -> u64 {
    disk.shared.durable.load(Ordering::Acquire)
}

#[test]
fn everything_is_there_again() {
    let dir = TempDir::new();
    let full = Entry {
        value: value_of(300_000),
        version: Some("version".into()),
        tag: Some("tag".into()),
        algorithm: Some(-5),
    };
    let disk = open(&dir);
    disk.change(put(b"full", full.clone(), Expected::Any)).unwrap();
    disk.change(put(b"empty", entry(b"", None), Expected::Any)).unwrap();
    disk.change(put(b"gone", full.clone(), Expected::Any)).unwrap();
    disk.sync().unwrap();
    disk.change(delete(b"gone", Expected::Any)).unwrap();
    disk.set_settings(b"settings").unwrap();
    let usage = disk.usage();
    drop(disk);

    let disk = open(&dir);
    assert_eq!(disk.get(b"full"), Ok(Some(full)));
    assert_eq!(disk.get(b"empty"), Ok(Some(entry(b"", None))));
    assert_eq!(disk.get(b"gone"), Ok(None));
    assert_eq!(disk.settings(), Ok(Some(b"settings".to_vec())));
    assert_eq!(disk.usage(), usage);
    assert_eq!(disk.look(Unbounded, Unbounded, false, 9, |_| true).unwrap().accepted, ["empty", "full"]);
    disk.erase().unwrap();
    drop(disk);

    let disk = open(&dir);
    assert_eq!(disk.look(Unbounded, Unbounded, false, 9, |_| true), Ok(Looked::default()));
    assert_eq!(disk.settings(), Ok(None));
    assert_eq!(disk.usage(), (CAPACITY, 0));
}

#[test]
fn values_of_all_sizes_survive() {
    let dir = TempDir::new();
    let disk = open(&dir);
    let sizes = [0, 1, 1024, 1025, 4076, 4077, 4096, 8192, 65_536, 100_001, 1 << 20, 64 << 20];
    for size in sizes {
        let entry = Entry { value: value_of(size), ..entry(b"", None) };
        disk.change(put(&size.to_be_bytes(), entry, Expected::Any)).unwrap();
    }
    drop(disk);
    let disk = open(&dir);
    for size in sizes {
        let entry = disk.get(&size.to_be_bytes()).unwrap().unwrap();
        assert!(entry.value == value_of(size), "{size}");
    }
}

#[test]
fn nothing_of_replaced_values_is_left() {
    let dir = TempDir::new();
    let disk = patient(&dir);
    let file = dir.path().join("entries.redb");
    let mut sizes = Vec::new();
    for round in 0..6 {
        for key in 0..20u8 {
            let value = value_of(100_000 + 1000 * round);
            disk.change(put(&[key], Entry { value, ..entry(b"", None) }, Expected::Any)).unwrap();
        }
        disk.sync().unwrap();
        sizes.push(fs::metadata(&file).unwrap().len());
    }
    assert_eq!(sizes[2], sizes[5], "{sizes:?}");
}

/// Three layers: the database, a commit under way and later changes. The
/// suite in the module above meets all of them, but only by chance.
#[test]
fn newer_changes_hide_older_ones() {
    let dir = TempDir::new();
    let disk = patient(&dir);
    let store = Store(crate::store::Kind::Disk(disk));
    fill(&store, &[b"a", b"b", b"c", b"d", b"e"]);
    store.sync().unwrap();
    store.change(delete(b"b", Expected::Any)).unwrap();
    store.change(put(b"c", entry(b"new", Some(b"1")), Expected::Any)).unwrap();
    store.change(put(b"f", entry(b"", None), Expected::Any)).unwrap();
    store.change(delete(b"d", Expected::Any)).unwrap();
    let crate::store::Kind::Disk(disk) = &store.0 else { unreachable!() };
    {
        let mut state = disk.shared.write();
        state.writing = Arc::new(std::mem::take(&mut state.recent));
    }
    store.change(put(b"b", entry(b"again", None), Expected::Any)).unwrap();
    store.change(delete(b"f", Expected::Any)).unwrap();
    store.change(delete(b"a", Expected::Any)).unwrap();

    let keys = |reverse| store.keys(Unbounded, Unbounded, reverse, 9, |_| true).unwrap();
    assert_eq!(keys(false), ["b", "c", "e"]);
    assert_eq!(keys(true), ["e", "c", "b"]);
    assert_eq!(store.after(b"").unwrap(), Some(("b".into(), entry(b"again", None))));
    assert_eq!(store.after(b"b").unwrap(), Some(("c".into(), entry(b"new", Some(b"1")))));
    assert_eq!(store.before(b"z").unwrap(), Some(("e".into(), entry(b"", None))));
    for gone in [b"a", b"d", b"f"] {
        assert_eq!(store.get(gone), Ok(None));
        assert_eq!(store.change(delete(gone, Expected::Version(Bytes::new()))), Err(Refusal::NotFound));
    }
}

#[test]
fn syncing_without_changes_commits_nothing() {
    let dir = TempDir::new();
    let disk = patient(&dir);
    let file = dir.path().join("entries.redb");
    disk.change(put(&KEY, entry(b"", None), Expected::Any)).unwrap();
    assert_eq!(commits(&disk), 0);
    disk.sync().unwrap();
    assert_eq!(commits(&disk), 1);
    let written = fs::read(&file).unwrap();
    disk.sync().unwrap();
    // Not even the number of the last transaction has changed.
    assert!(fs::read(&file).unwrap() == written);
}

/// While a commit is under way, all who come share the next one.
#[test]
fn concurrent_callers_share_a_commit() {
    const THREADS: usize = 8;
    let dir = TempDir::new();
    let disk = &patient(&dir);
    let ready = &Barrier::new(THREADS + 1);
    let written = || disk.shared.written.load(Ordering::Acquire);
    thread::scope(|scope| {
        let committing = disk.shared.committing();
        for n in 0..THREADS {
            scope.spawn(move || {
                disk.change(put(&n.to_be_bytes(), entry(b"", None), Expected::Any)).unwrap();
                ready.wait();
                disk.sync().unwrap();
                assert!(commits(disk) > 0);
            });
        }
        ready.wait();
        // Changes are made, and nobody can have committed them yet.
        assert_eq!((commits(disk), written()), (0, 0));
        drop(committing);
    });
    assert_eq!((commits(disk), written()), (THREADS as u64, 1));
}

#[test]
fn much_is_written_without_being_asked() {
    let dir = TempDir::new();
    let disk = patient(&dir);
    for n in 0..64u32 {
        let entry = Entry { value: value_of(1 << 20), ..entry(b"", None) };
        disk.change(put(&n.to_be_bytes(), entry, Expected::Any)).unwrap();
        assert!(disk.shared.read().size <= TOO_MUCH + (2 << 20));
    }
    // At most twice the limit is not durable yet: what is written, and more.
    assert!(commits(&disk) >= 30);
}

#[test]
fn changes_become_durable_by_themselves() {
    let dir = TempDir::new();
    let disk = open(&dir);
    disk.change(put(&KEY, entry(b"", None), Expected::Any)).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while commits(&disk) == 0 {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
}

/// What the child of [`a_kill_leaves_whole_batches`] is told by.
const CHILD: &str = "KINETIC_DRIVE_TEST_DIR";

const BATCH: u32 = 20;

#[test]
fn a_kill_leaves_whole_batches() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return change_until_killed(Path::new(&dir));
    }
    let dir = TempDir::new();
    let mut last = 0;
    for rounds in [3, 50, 117] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::disk::tests::a_kill_leaves_whole_batches", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let synced = lines.filter_map(|line| line.strip_prefix("synced ")?.parse().ok()).nth(rounds);
        child.kill().unwrap();
        child.wait().unwrap();
        let synced: u64 = synced.unwrap();

        let disk = open(&dir);
        let number = |key: u32| {
            let entry = disk.get(&key.to_be_bytes()).unwrap().unwrap();
            assert_eq!(entry.value.len(), 3000 + key as usize);
            u64::from_be_bytes(entry.version.unwrap()[..].try_into().unwrap())
        };
        let numbers: Vec<u64> = (0..BATCH).map(number).collect();
        assert!(numbers.iter().all(|&n| n == numbers[0]), "{numbers:?}");
        assert!(numbers[0] >= synced && synced > last, "{} {synced} {last}", numbers[0]);
        let settings = disk.settings().unwrap().unwrap();
        assert!(u64::from_be_bytes(settings.try_into().unwrap()) >= synced);
        last = numbers[0];
    }
}

/// Replaces the same entries again and again, always all of them at once, and
/// says how far it has come.
fn change_until_killed(dir: &Path) {
    let disk = Disk::open_with_interval(dir, CAPACITY, Duration::from_micros(50)).unwrap();
    let first = disk.get(&0u32.to_be_bytes()).unwrap();
    let first = first.map_or(0, |entry| u64::from_be_bytes(entry.version.unwrap()[..].try_into().unwrap()));
    for n in first + 1.. {
        let change = |key: u32| {
            let version = Some(Bytes::copy_from_slice(&n.to_be_bytes()));
            let entry =
                Entry { value: vec![n as u8; 3000 + key as usize].into(), version, ..entry(b"", None) };
            put(&key.to_be_bytes(), entry, Expected::Any)
        };
        disk.change_all((0..BATCH).map(change).collect()).unwrap();
        if n % 3 == 0 {
            disk.set_settings(&n.to_be_bytes()).unwrap();
            disk.sync().unwrap();
            println!("synced {n}");
        }
    }
}

#[test]
fn only_one_store_has_a_directory() {
    let dir = TempDir::new();
    let disk = open(&dir);
    let path = dir.path().display();
    assert_eq!(refusal(&dir), format!("{path}: in use by another drive"));
    drop(disk);
    open(&dir);
}

#[test]
fn other_directories_are_refused() {
    let dir = TempDir::new();
    fs::write(dir.path().join("letter.txt"), "Dear").unwrap();
    assert!(refusal(&dir).contains("not a drive's directory: it has \"letter.txt\""));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    let dir = TempDir::new();
    fs::write(dir.path().join("entries.redb"), "no database").unwrap();
    refusal(&dir);
    assert_eq!(fs::read(dir.path().join("entries.redb")).unwrap(), b"no database");

    // A database of another program.
    let dir = TempDir::new();
    redb::Database::create(dir.path().join("entries.redb")).unwrap();
    assert!(refusal(&dir).contains("not a database of this drive"));

    let dir = TempDir::new();
    let missing = dir.path().join("a/b");
    assert!(Store::open(&missing, CAPACITY).is_err());
    assert!(Store::open(&dir.path().join("a"), CAPACITY).is_ok());
}

#[test]
fn another_format_is_refused() {
    let dir = TempDir::new();
    drop(open(&dir));
    let database = redb::Database::open(dir.path().join("entries.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let numbers = redb::TableDefinition::<&str, u64>::new("numbers");
    transaction.open_table(numbers).unwrap().insert("format", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(refusal(&dir).contains("format 2, but this version knows 1 only"));
}

#[test]
fn an_interrupted_start_is_repeated() {
    let dir = TempDir::new();
    fs::write(dir.path().join("entries.redb.new"), "half a data").unwrap();
    fs::write(dir.path().join("lock"), "").unwrap();
    open(&dir).change(put(&KEY, entry(b"", None), Expected::Any)).unwrap();
    assert!(open(&dir).get(&KEY).unwrap().is_some());
    assert!(!dir.path().join("entries.redb.new").exists());
}

#[test]
fn damage_is_told_from_failure() {
    let dir = TempDir::new();
    let disk = open(&dir);
    disk.change(put(&KEY, entry(b"", None), Expected::Any)).unwrap();
    drop(disk);
    let database = redb::Database::open(dir.path().join("entries.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let entries = redb::TableDefinition::<&[u8], &[u8]>::new("entries");
    transaction.open_table(entries).unwrap().insert(&KEY[..], &b"\xff"[..]).unwrap();
    // A value of five bytes whose pieces are missing.
    transaction.open_table(entries).unwrap().insert(&b"yek"[..], &b"\x20\x05"[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let disk = open(&dir);
    assert_eq!(disk.get(&KEY), Err(Refusal::Corrupt));
    assert_eq!(disk.get(b"yek"), Err(Refusal::Corrupt));
    assert_eq!(disk.get(b"other"), Ok(None));
}

#[test]
fn after_a_failure_nothing_changes_any_more() {
    let dir = TempDir::new();
    let disk = patient(&dir);
    disk.change(put(&KEY, entry(b"1", None), Expected::Any)).unwrap();
    disk.shared.fail(Error::Io(io::ErrorKind::StorageFull.into()));
    assert!(disk.sync().is_err());
    assert_eq!(disk.change(put(&KEY, entry(b"2", None), Expected::Any)), Err(Refusal::Failed));
    assert_eq!(disk.change_all(vec![]), Err((0, Refusal::Failed)));
    assert!(disk.erase().is_err());
    assert!(disk.set_settings(b"").is_err());
    assert_eq!(disk.get(&KEY), Ok(Some(entry(b"1", None))));
}
