//! What every kind of store has to do.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::entry::OVERHEAD;
use super::*;

/// The tests, once for each kind of store. `new` makes an empty one for a
/// number of bytes, together with what has to live as long as it.
macro_rules! suite {
    ($kind:ident, $new:expr) => {
        mod $kind {
            use super::*;

            suite!(@tests $new;
                versions_guard_changes,
                capacity_counts_what_is_stored_now,
                metadata_is_kept,
                empty_is_not_absent,
                neighbours_are_strict,
                keys_come_in_order,
                impossible_ranges_are_empty,
                only_accepted_keys_count,
                few_keys_are_looked_at_at_a_time,
                all_changes_or_none,
                later_changes_see_earlier_ones,
                changes_together_fill_the_capacity,
                erasing_leaves_nothing,
                settings_are_kept,
                concurrent_changes_are_whole,
            );
        }
    };
    (@tests $new:expr; $($test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                super::$test(&|capacity| ($new)(capacity));
            }
        )*
    };
}

/// A store under test, and what has to live as long as it.
type Made = (Store, Option<Box<dyn std::any::Any>>);

suite!(memory, |capacity| (Store::memory(capacity), None));

suite!(disk, |capacity| {
    let dir = TempDir::new();
    (Store::open(dir.path(), capacity).unwrap(), Some(Box::new(dir) as _))
});

// The same with commits all the time, so that it may be at any moment that
// entries move to the database.
suite!(disk_committing, |capacity| {
    let dir = TempDir::new();
    (committing_store(dir.path(), capacity), Some(Box::new(dir) as _))
});

fn committing_store(dir: &Path, capacity: u64) -> Store {
    Store(Kind::Disk(Disk::open_with_interval(dir, capacity, Duration::from_micros(50)).unwrap()))
}

/// A directory, gone when dropped.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kinetic-drive-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) const KEY: Bytes = Bytes::from_static(b"key");
const MISMATCH: Result<(), Refusal> = Err(Refusal::VersionMismatch);

pub(super) fn entry(value: &'static [u8], version: Option<&'static [u8]>) -> Entry {
    Entry {
        value: Bytes::from_static(value),
        version: version.map(Bytes::from_static),
        tag: None,
        algorithm: None,
    }
}

pub(super) fn version(version: &'static [u8]) -> Expected {
    Expected::Version(Bytes::from_static(version))
}

pub(super) fn put(key: &[u8], entry: Entry, expected: Expected) -> Change {
    Change { key: Bytes::copy_from_slice(key), expected, action: Action::Put(entry) }
}

pub(super) fn delete(key: &[u8], expected: Expected) -> Change {
    Change { key: Bytes::copy_from_slice(key), expected, action: Action::Delete }
}

pub(super) fn get(store: &Store, key: &[u8]) -> Option<Entry> {
    store.get(key).unwrap()
}

pub(super) fn fill(store: &Store, keys: &[&[u8]]) {
    for key in keys {
        store.change(put(key, entry(b"", None), Expected::Any)).unwrap();
    }
}

fn versions_guard_changes(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    let first = entry(b"1", Some(b"v1"));
    assert_eq!(store.change(put(&KEY, first.clone(), version(b"v0"))), MISMATCH);
    assert_eq!(get(&store, b"key"), None);
    assert_eq!(store.change(put(&KEY, first.clone(), version(b""))), Ok(()));
    let second = entry(b"2", None);
    assert_eq!(store.change(put(&KEY, second.clone(), version(b""))), MISMATCH);
    assert_eq!(get(&store, b"key"), Some(first));
    assert_eq!(store.change(put(&KEY, second.clone(), version(b"v1"))), Ok(()));
    assert_eq!(get(&store, b"key"), Some(second.clone()));
    assert_eq!(store.change(delete(&KEY, version(b"v1"))), MISMATCH);
    assert_eq!(get(&store, b"key"), Some(second));
    assert_eq!(store.change(delete(&KEY, version(b""))), Ok(()));
    assert_eq!(get(&store, b"key"), None);
    assert_eq!(store.change(delete(&KEY, version(b""))), Err(Refusal::NotFound));
    assert_eq!(store.change(delete(&KEY, Expected::Any)), Ok(()));
}

fn capacity_counts_what_is_stored_now(new: &dyn Fn(u64) -> Made) {
    let room_for_one = OVERHEAD + 3 + 4;
    let (store, _keep) = new(room_for_one);
    let no_space = Err(Refusal::NoSpace);
    assert_eq!(store.change(put(&KEY, entry(b"12345", None), Expected::Any)), no_space);
    assert_eq!(store.usage(), (room_for_one, 0));
    for _ in 0..3 {
        assert_eq!(store.change(put(&KEY, entry(b"1234", None), Expected::Any)), Ok(()));
        assert_eq!(store.usage(), (room_for_one, room_for_one));
    }
    assert_eq!(store.change(put(b"yek", entry(b"", None), Expected::Any)), no_space);
    assert_eq!(store.change(put(&KEY, entry(b"1", Some(b"v234")), Expected::Any)), no_space);
    assert_eq!(get(&store, b"key"), Some(entry(b"1234", None)));
    assert_eq!(store.change(delete(b"key", Expected::Any)), Ok(()));
    assert_eq!(store.change(delete(b"key", Expected::Any)), Ok(()));
    assert_eq!(store.usage(), (room_for_one, 0));
    assert_eq!(store.change(put(b"yek", entry(b"1", Some(b"v23")), Expected::Any)), Ok(()));
    assert_eq!(store.usage(), (room_for_one, room_for_one));
}

fn metadata_is_kept(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    for algorithm in [None, Some(4), Some(-1), Some(i32::MAX), Some(i32::MIN)] {
        let entry = Entry { tag: Some("tag".into()), algorithm, ..entry(b"value", Some(b"version")) };
        store.change(put(&KEY, entry.clone(), Expected::Any)).unwrap();
        assert_eq!(get(&store, b"key"), Some(entry));
    }
}

fn empty_is_not_absent(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    for version in [None, Some(Bytes::new())] {
        for tag in [None, Some(Bytes::new())] {
            let entry = Entry { version: version.clone(), tag: tag.clone(), ..entry(b"", None) };
            store.change(put(&KEY, entry.clone(), Expected::Version(Bytes::new()))).unwrap();
            assert_eq!(get(&store, b"key"), Some(entry));
        }
    }
}

fn neighbours_are_strict(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    let after = |key: &[u8]| store.after(key).unwrap().map(|(key, _)| key);
    let before = |key: &[u8]| store.before(key).unwrap().map(|(key, _)| key);
    assert_eq!((after(b""), before(b"\xff")), (None, None));
    store.change(put(b"b", entry(b"B", Some(b"1")), Expected::Any)).unwrap();
    store.change(put(b"d", entry(b"D", Some(b"2")), Expected::Any)).unwrap();
    fill(&store, &[b"d\0", b"\xff\xff"]);
    let key = |key: &'static [u8]| Some(Bytes::from_static(key));
    assert_eq!(store.after(b"a").unwrap(), Some((Bytes::from("b"), entry(b"B", Some(b"1")))));
    assert_eq!(store.after(b"b").unwrap(), Some((Bytes::from("d"), entry(b"D", Some(b"2")))));
    assert_eq!(store.before(b"c").unwrap(), Some((Bytes::from("b"), entry(b"B", Some(b"1")))));
    assert_eq!(after(b""), key(b"b"));
    assert_eq!(after(b"c"), key(b"d"));
    assert_eq!(after(b"d"), key(b"d\0"));
    assert_eq!(after(b"d\0"), key(b"\xff\xff"));
    assert_eq!(after(b"\xff"), key(b"\xff\xff"));
    assert_eq!(after(b"\xff\xff"), None);
    assert_eq!(before(b"\xff\xff\xff"), key(b"\xff\xff"));
    assert_eq!(before(b"\xff\xff"), key(b"d\0"));
    assert_eq!(before(b"d\0"), key(b"d"));
    assert_eq!(before(b"d"), key(b"b"));
    assert_eq!(before(b"b"), None);
    assert_eq!(before(b""), None);
    store.change(delete(b"d", Expected::Any)).unwrap();
    assert_eq!((after(b"b"), before(b"d\0")), (key(b"d\0"), key(b"b")));
}

fn keys_come_in_order(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    fill(&store, &[b"d", b"a", b"c", b"b"]);
    let keys = |start, end, reverse, max| {
        let keys = store.keys(start, end, reverse, max, |_| true).unwrap();
        String::from_utf8(keys.concat()).unwrap()
    };
    let all = usize::MAX;
    assert_eq!(keys(Unbounded, Unbounded, false, all), "abcd");
    assert_eq!(keys(Unbounded, Unbounded, true, all), "dcba");
    assert_eq!(keys(Included(b"a"), Included(b"c"), false, all), "abc");
    assert_eq!(keys(Excluded(b"a"), Included(b"c"), false, all), "bc");
    assert_eq!(keys(Included(b"a"), Excluded(b"c"), true, all), "ba");
    assert_eq!(keys(Excluded(b"a"), Excluded(b"c"), true, all), "b");
    assert_eq!(keys(Included(b"b"), Included(b"b"), false, all), "b");
    assert_eq!(keys(Included(b"aa"), Unbounded, false, 2), "bc");
    assert_eq!(keys(Included(b"a"), Included(b"c"), true, 2), "cb");
    assert_eq!(keys(Unbounded, Included(b"cc"), true, 2), "cb");
    assert_eq!(keys(Unbounded, Unbounded, false, 0), "");
    assert_eq!(keys(Included(b""), Included(b""), false, all), "");
}

fn impossible_ranges_are_empty(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    fill(&store, &[b"a", b"b", b"c"]);
    for (start, end) in [
        (Included(&b"c"[..]), Included(&b"a"[..])),
        (Included(b"c"), Excluded(b"a")),
        (Excluded(b"c"), Included(b"a")),
        (Excluded(b"c"), Excluded(b"a")),
        (Excluded(b"b"), Excluded(b"b")),
        (Included(b"b"), Excluded(b"b")),
        (Excluded(b"b"), Included(b"b")),
    ] {
        for reverse in [false, true] {
            let keys = store.keys(start, end, reverse, 10, |_| true);
            assert_eq!(keys, Ok(vec![]), "{start:?} {end:?}");
        }
    }
}

fn only_accepted_keys_count(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    fill(&store, &[b"a1", b"b1", b"a2", b"b2", b"a3"]);
    let mut asked = 0;
    let accept = |key: &[u8]| {
        asked += 1;
        key.starts_with(b"b")
    };
    assert_eq!(store.keys(Unbounded, Unbounded, false, 1, accept), Ok(vec![Bytes::from("b1")]));
    assert_eq!(asked, 4);
    let keys = store.keys(Unbounded, Unbounded, true, 9, |key| key.ends_with(b"1"));
    assert_eq!(keys, Ok(vec![Bytes::from("b1"), Bytes::from("a1")]));
}

fn few_keys_are_looked_at_at_a_time(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    let count = 2 * looked::STEP + 1;
    let keys: Vec<Bytes> = (0..count).map(|number| format!("{number:05}").into()).collect();
    let put = |key: &Bytes| put(key, entry(b"", None), Expected::Any);
    store.change_all(keys.iter().map(put).collect()).unwrap();
    for (reverse, wanted) in [(false, count - 1), (true, 0)] {
        let mut asked = 0;
        let mut accept = |key: &[u8]| {
            asked += 1;
            key == keys[wanted]
        };
        let looked = store.look(Unbounded, Unbounded, reverse, 9, &mut accept).unwrap();
        let last = keys[if reverse { count - looked::STEP } else { looked::STEP - 1 }].clone();
        assert_eq!(looked, Looked { accepted: vec![], last: Some(last) });
        assert_eq!(store.keys(Unbounded, Unbounded, reverse, 9, accept), Ok(vec![keys[wanted].clone()]));
        // Each once.
        assert_eq!(asked, looked::STEP + count);
    }
    let all = |reverse| store.keys(Unbounded, Unbounded, reverse, count, |_| true).unwrap();
    assert_eq!(all(false), keys);
    assert!(all(true).iter().eq(keys.iter().rev()));
    let looked = store.look(Excluded(&keys[count - 3]), Unbounded, false, 9, |_| true).unwrap();
    assert_eq!(looked, Looked { accepted: keys[count - 2..].to_vec(), last: None });
}

fn all_changes_or_none(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    let old = entry(b"old", Some(b"1"));
    store.change(put(b"kept", old.clone(), Expected::Any)).unwrap();
    store.change(put(b"removed", old.clone(), Expected::Any)).unwrap();
    let usage = store.usage();
    let changes = |last: Change| {
        vec![
            put(b"kept", entry(b"newer", Some(b"2")), version(b"1")),
            delete(b"removed", version(b"1")),
            put(b"new", entry(b"new", None), version(b"")),
            last,
        ]
    };
    for (last, refusal) in [
        (put(b"kept", entry(b"", None), version(b"1")), Refusal::VersionMismatch),
        (delete(b"other", version(b"")), Refusal::NotFound),
        (
            put(b"other", Entry { value: vec![0; 1 << 20].into(), ..old.clone() }, version(b"")),
            Refusal::NoSpace,
        ),
    ] {
        assert_eq!(store.change_all(changes(last)), Err((3, refusal)));
        assert_eq!(get(&store, b"kept"), Some(old.clone()));
        assert_eq!(get(&store, b"removed"), Some(old.clone()));
        assert_eq!(get(&store, b"new"), None);
        assert_eq!(store.usage(), usage);
    }
    assert_eq!(store.change_all(changes(delete(b"kept", version(b"2")))), Ok(()));
    assert_eq!(store.keys(Unbounded, Unbounded, false, 9, |_| true), Ok(vec![Bytes::from("new")]));
    assert_eq!(store.usage().1, OVERHEAD + 6);
    assert_eq!(store.change_all(vec![]), Ok(()));
}

fn later_changes_see_earlier_ones(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    let changes = vec![
        put(&KEY, entry(b"1", Some(b"1")), version(b"")),
        put(&KEY, entry(b"2", Some(b"2")), version(b"1")),
        delete(&KEY, version(b"2")),
        put(&KEY, entry(b"33", Some(b"3")), version(b"")),
        delete(b"absent", Expected::Any),
    ];
    assert_eq!(store.change_all(changes), Ok(()));
    assert_eq!(get(&store, &KEY), Some(entry(b"33", Some(b"3"))));
    assert_eq!(store.usage().1, OVERHEAD + 6);
    let changes = vec![delete(&KEY, version(b"3")), delete(&KEY, version(b"3"))];
    assert_eq!(store.change_all(changes), Err((1, Refusal::NotFound)));
    assert_eq!(get(&store, &KEY), Some(entry(b"33", Some(b"3"))));
}

fn changes_together_fill_the_capacity(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(2 * (OVERHEAD + 1));
    let put = |key| put(key, entry(b"", None), Expected::Any);
    assert_eq!(store.change_all(vec![put(b"1"), put(b"2"), put(b"3")]), Err((2, Refusal::NoSpace)));
    assert_eq!(store.usage().1, 0);
    let changes = vec![put(b"1"), put(b"2"), delete(b"1", Expected::Any), put(b"3")];
    assert_eq!(store.change_all(changes), Ok(()));
    assert_eq!(store.change(put(b"4")), Err(Refusal::NoSpace));
}

fn erasing_leaves_nothing(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(1 << 20);
    fill(&store, &[b"a", b"b", b"c"]);
    store.set_settings(b"settings").unwrap();
    store.erase().unwrap();
    assert_eq!(get(&store, b"a"), None);
    assert_eq!(store.after(b""), Ok(None));
    assert_eq!(store.usage(), (1 << 20, 0));
    assert_eq!(store.settings(), Ok(None));
    fill(&store, &[b"b"]);
    assert_eq!(store.keys(Unbounded, Unbounded, false, 9, |_| true), Ok(vec![Bytes::from("b")]));
}

fn settings_are_kept(new: &dyn Fn(u64) -> Made) {
    let (store, _keep) = new(0);
    assert_eq!(store.settings(), Ok(None));
    store.set_settings(b"").unwrap();
    assert_eq!(store.settings(), Ok(Some(vec![])));
    store.set_settings(&vec![7; 100_000]).unwrap();
    assert_eq!(store.settings(), Ok(Some(vec![7; 100_000])));
    assert_eq!(store.usage(), (0, 0));
    assert_eq!(store.keys(Unbounded, Unbounded, false, 9, |_| true), Ok(vec![]));
}

/// Of several threads that replace the same version, one wins.
fn concurrent_changes_are_whole(new: &dyn Fn(u64) -> Made) {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 200;
    let (store, _keep) = new(1 << 20);
    let store = &store;
    let number = |n: u64| Bytes::copy_from_slice(&n.to_be_bytes());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    loop {
                        let old = get(store, &KEY);
                        let old = old.map_or(0, |entry| {
                            let value = u64::from_be_bytes(entry.value[..].try_into().unwrap());
                            assert_eq!(entry.version, Some(number(value)));
                            value
                        });
                        let new = Some(number(old + 1));
                        let entry = Entry { value: number(old + 1), version: new, ..entry(b"", None) };
                        let expected = if old == 0 { Bytes::new() } else { number(old) };
                        match store.change(put(&KEY, entry, Expected::Version(expected))) {
                            Ok(()) => break,
                            Err(refusal) => assert_eq!(refusal, Refusal::VersionMismatch),
                        }
                        store.sync().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(get(store, &KEY).unwrap().value, number(THREADS * ROUNDS));
}
