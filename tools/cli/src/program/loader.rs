//! Finds libraries as the loader does (ld.so(8)).

use std::{
    env, fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::object::{Object, read};

/// The folders that come last.
const USUAL: [&str; 8] = [
    "/lib64",
    "/usr/lib64",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib",
    "/usr/lib",
];

/// All objects that are loaded with a program.
pub struct Loaded {
    /// The program, then its libraries in the order in which the loader looks into them.
    pub objects: Vec<Object>,
    /// Libraries that are nowhere.
    pub missing: Vec<String>,
}

/// Loads a program, and libraries that it opens by itself, with everything that they need.
pub fn load(program: Object, plugins: Vec<Object>) -> Loaded {
    let cache = fs::read("/etc/ld.so.cache").map(|bytes| cache(&bytes)).unwrap_or_default();
    let path = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let path = path.to_string_lossy().into_owned();
    let path: Vec<String> =
        path.split([':', ';']).filter(|folder| !folder.is_empty()).map(str::to_owned).collect();
    // Each with the folders of DT_RPATH of those that asked for it.
    let mut queue: Vec<(Object, Vec<PathBuf>)> =
        std::iter::once(program).chain(plugins).map(|object| (object, Vec::new())).collect();
    let mut missing = Vec::new();
    let mut next = 0;
    while let Some((object, inherited)) = queue.get(next).cloned() {
        next += 1;
        let mut rpath: Vec<PathBuf> = Vec::new();
        // A DT_RUNPATH makes all DT_RPATH count for nothing.
        if object.runpath.is_empty() {
            rpath.extend(object.rpath.iter().map(|folder| expand(folder, &object.path)));
            rpath.extend(inherited);
        }
        for name in &object.needed {
            let known = |path: &Path| path.file_name().is_some_and(|file| file.as_bytes() == name.as_bytes());
            if queue.iter().any(|(object, _)| known(&object.path)) {
                continue;
            }
            let runpath = object.runpath.iter().map(|folder| expand(folder, &object.path));
            let folders = rpath.iter().cloned().chain(path.iter().map(PathBuf::from)).chain(runpath);
            let cached = cache.iter().filter(|(soname, _)| soname == name).map(|(_, path)| path.clone());
            let mut candidates: Box<dyn Iterator<Item = PathBuf>> = if name.contains('/') {
                Box::new(std::iter::once(expand(name, &object.path)))
            } else {
                let usual = USUAL.iter().map(|folder| Path::new(folder).join(name));
                Box::new(folders.map(|folder| folder.join(name)).chain(cached).chain(usual))
            };
            // The loader, too, goes on when it finds a file for another machine.
            match candidates.find_map(|path| read(&path).ok().filter(|found| found.machine == object.machine))
            {
                Some(found) => queue.push((found, rpath.clone())),
                None if missing.contains(name) => {}
                None => missing.push(name.clone()),
            }
        }
    }
    Loaded { objects: queue.into_iter().map(|(object, _)| object).collect(), missing }
}

/// Replaces $ORIGIN by the object's own folder.
fn expand(folder: &str, object: &Path) -> PathBuf {
    let origin = fs::canonicalize(object).unwrap_or_else(|_| object.to_owned());
    let origin = origin.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    PathBuf::from(folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
}

/// Names and paths of /etc/ld.so.cache.
fn cache(bytes: &[u8]) -> Vec<(String, PathBuf)> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    // Old systems have a part in an older format in front.
    let Some(start) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC) else {
        return Vec::new();
    };
    let bytes = &bytes[start..];
    let number = |offset: usize| {
        let number = bytes.get(offset..offset + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(number) as usize)
    };
    let text = |offset: usize| {
        let rest = bytes.get(offset..)?;
        let length = rest.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&rest[..length]).into_owned())
    };
    // A header of 48 bytes with the count behind the magic, then 24 bytes for each: flags, name, path and more.
    let count = number(MAGIC.len()).unwrap_or(0).min(bytes.len() / 24);
    let entry = |index: usize| {
        let offset = 48 + 24 * index;
        Some((text(number(offset + 4)?)?, PathBuf::from(text(number(offset + 8)?)?)))
    };
    (0..count).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_cache_can_be_read() {
        let Ok(bytes) = fs::read("/etc/ld.so.cache") else { return };
        let entries = cache(&bytes);
        let libc = entries.iter().find(|(name, _)| name == "libc.so.6");
        assert!(libc.is_some_and(|(_, path)| path.is_absolute()), "{entries:?}");
    }

    #[test]
    fn a_broken_cache_is_an_empty_one() {
        assert!(cache(b"").is_empty());
        let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
        assert!(cache(&bytes).is_empty());
        bytes.extend([0xff; 100]);
        assert!(cache(&bytes).is_empty());
    }

    #[test]
    fn origin_is_the_objects_folder() {
        assert_eq!(
            expand("$ORIGIN/../lib", Path::new("/nowhere/bin/program")),
            Path::new("/nowhere/bin/../lib")
        );
        assert_eq!(expand("${ORIGIN}", Path::new("/nowhere/bin/program")), Path::new("/nowhere/bin"));
    }
}
