//! Can this driver take the place of libkinetic's socket driver in a program by preloading?
//!
//! libkinetic's table of drivers has a pointer to `socket_fns`. In a shared libkinetic the loader looks for that name
//! at run time, first in the program, then in preloaded libraries. In a program that was linked with the static
//! libkinetic the linker has done it.

mod loader;
mod object;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use self::object::{NoObject, Object, Table};
use crate::failure::{Failure, Result};

/// The linker's flags for a program with the static libkinetic.
pub const FLAGS: &str = "-Wl,-u,uring_fns -Wl,--defsym=socket_fns=uring_fns libkinetic.a libktli_uring.a";

/// What can be done for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Preloading works.
    Preload,
    /// It runs on this driver already.
    Already,
    /// It has to be linked anew.
    Relink,
    /// There is no trace of libkinetic's socket driver.
    NoTrace,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The program.
    pub program: PathBuf,
    /// What can be done.
    pub way: Way,
    /// Why, as sentences.
    pub because: Vec<String>,
    /// The libraries that were looked at.
    pub libraries: Vec<PathBuf>,
    /// Libraries that are nowhere.
    pub missing: Vec<String>,
}

/// Finds a program as execvp(3) does.
pub fn find(program: &Path) -> Option<PathBuf> {
    if program.as_os_str().to_string_lossy().contains('/') {
        return program.is_file().then(|| program.to_owned());
    }
    let path = env::var_os("PATH")?;
    let executable = |path: &Path| {
        fs::metadata(path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(&path).map(|folder| folder.join(program)).find(|path| executable(path))
}

/// Looks at a program, and at libraries that it loads by itself.
pub fn examine(program: &Path, plugins: &[PathBuf]) -> Result<Finding> {
    let path = find(program)
        .ok_or_else(|| Failure::other(format!("{}: there is no such program", program.display())))?;
    let program = read(&path)?;
    let plugins = plugins.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let mode = fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode());
    let with_loader = program.has_loader;
    let loaded = loader::load(program, plugins);
    let (way, mut because) = judge(&loaded.objects);
    let mut way = way;
    if way == Way::Preload && !with_loader {
        way = Way::Relink;
        because = vec!["it has no loader, which could preload anything".into()];
    }
    if way == Way::Preload && mode & 0o6000 != 0 {
        because.push(
            "it is setuid or setgid: the loader preloads nothing for users whose rights it changes, and the driver \
             does not read their environment"
                .into(),
        );
    }
    Ok(Finding {
        program: path,
        way,
        because,
        libraries: loaded.objects[1..].iter().map(|object| object.path.clone()).collect(),
        missing: loaded.missing,
    })
}

fn read(path: &Path) -> Result<Object> {
    object::read(path).map_err(|error| {
        let why = match error {
            NoObject::Unreadable(error) => return Failure::file(path.display(), error),
            NoObject::Script(interpreter) => {
                format!("it is a script for {interpreter}: name the program that it starts")
            }
            NoObject::Else(why) => why,
        };
        Failure::other(format!("{}: {why}", path.display()))
    })
}

/// The objects are in the loader's order, the program first.
fn judge(objects: &[Object]) -> (Way, Vec<String>) {
    let program = &objects[0];
    let name = |object: &Object| object.path.display().to_string();
    if let Some(object) = objects.iter().find(|object| object.is_ours) {
        return (Way::Already, vec![format!("socket_fns is uring_fns in {}", name(object))]);
    }
    let first = match program.table {
        Table::LooksUp { defines, copies } => defines && !copies,
        Table::Defines => true,
        Table::Absent => false,
    };
    if first {
        let because = format!(
            "socket_fns is defined in {}, which was linked with the static libkinetic: the linker has bound it",
            name(program)
        );
        return (Way::Relink, vec![because]);
    }
    if let Some(object) = objects.iter().find(|object| matches!(object.table, Table::LooksUp { .. })) {
        return (Way::Preload, vec![format!("{} has the loader look for socket_fns", name(object))]);
    }
    if let Some(object) = objects.iter().find(|object| object.table != Table::Absent) {
        let because = format!(
            "{} was bound to its own socket_fns when it was linked (-Bsymbolic or hidden): link it anew without that, \
             or with these flags",
            name(object)
        );
        return (Way::Relink, vec![because]);
    }
    let mut because = vec!["neither the program nor its libraries name socket_fns".to_owned()];
    if program.is_stripped {
        because.push("the program is stripped: a static libkinetic in it cannot be seen".into());
    }
    if objects.iter().any(|object| object.loads_more && !object.path.to_string_lossy().contains("/libc.so")) {
        because.push("it can load libraries by itself (dlopen): name them with --plugin".into());
    }
    (Way::NoTrace, because)
}
