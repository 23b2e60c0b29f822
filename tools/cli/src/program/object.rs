//! What an ELF file says of libkinetic's socket driver, and of the libraries that it needs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use goblin::elf::{Elf, dynamic, header, reloc, sym};

/// The table of libkinetic's socket driver.
const TABLE: &str = "socket_fns";
/// The table of this driver.
const OURS: &str = "uring_fns";

/// A program or a library.
#[derive(Debug, Clone)]
pub struct Object {
    /// Where it is.
    pub path: PathBuf,
    /// Architecture and word size: only the like can be loaded together.
    pub machine: (u16, bool),
    /// The libraries that it needs, by name.
    pub needed: Vec<String>,
    /// Folders of `DT_RPATH`.
    pub rpath: Vec<String>,
    /// Folders of `DT_RUNPATH`.
    pub runpath: Vec<String>,
    /// The loader is asked to load it: it is a program with shared libraries.
    pub has_loader: bool,
    /// What it does with the table.
    pub table: Table,
    /// The table is this driver's.
    pub is_ours: bool,
    /// No names but those that the loader needs are left.
    pub is_stripped: bool,
    /// It loads libraries by itself.
    pub loads_more: bool,
}

/// What an object does with the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Nothing that can be seen.
    Absent,
    /// It has the loader look for it by name: another object may supply it.
    LooksUp {
        /// It has one itself, too.
        defines: bool,
        /// The loader copies into it what others supply.
        copies: bool,
    },
    /// It defines it, and does not look for it by name: if it uses it, the linker has bound it.
    Defines,
}

/// Why a file is no object.
#[derive(Debug)]
pub enum NoObject {
    /// It cannot be read.
    Unreadable(std::io::Error),
    /// It is a script, for that interpreter.
    Script(String),
    /// It is something else.
    Else(String),
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Object, NoObject> {
    let bytes = fs::read(path).map_err(NoObject::Unreadable)?;
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return Err(NoObject::Script(String::from_utf8_lossy(line).trim().to_owned()));
    }
    let elf = Elf::parse(&bytes).map_err(|error| NoObject::Else(error.to_string()))?;
    if !matches!(elf.header.e_type, header::ET_EXEC | header::ET_DYN) {
        return Err(NoObject::Else("it is neither a program nor a shared library".into()));
    }
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    // Folders are separated by colons.
    let folders = |names: &[&str]| names.iter().flat_map(|name| name.split(':')).map(str::to_owned).collect();
    Ok(Object {
        path: path.to_owned(),
        machine: (elf.header.e_machine, elf.is_64),
        needed: owned(&elf.libraries),
        rpath: folders(&elf.rpaths),
        runpath: folders(&elf.runpaths),
        has_loader: elf.interpreter.is_some(),
        table: table(&elf),
        is_ours: is_ours(&elf),
        is_stripped: elf.syms.is_empty(),
        loads_more: elf
            .dynsyms
            .iter()
            .any(|symbol| matches!(elf.dynstrtab.get_at(symbol.st_name), Some("dlopen" | "dlmopen"))),
    })
}

fn table(elf: &Elf<'_>) -> Table {
    let named = |index: usize| {
        elf.dynsyms.get(index).filter(|symbol| elf.dynstrtab.get_at(symbol.st_name) == Some(TABLE))
    };
    let relocations = elf.dynrelas.iter().chain(elf.dynrels.iter()).chain(elf.pltrelocs.iter());
    let against: Vec<_> = relocations.filter(|relocation| named(relocation.r_sym).is_some()).collect();
    let dynamic = (0..elf.dynsyms.len()).find_map(named);
    let defines = dynamic.as_ref().is_some_and(|symbol| !symbol.is_import());
    let protected = dynamic.as_ref().is_some_and(|symbol| symbol.st_visibility() != sym::STV_DEFAULT);
    if !against.is_empty() && !(defines && (is_symbolic(elf) || protected)) {
        let copy = match elf.header.e_machine {
            header::EM_AARCH64 => reloc::R_AARCH64_COPY,
            // The same on both.
            _ => reloc::R_X86_64_COPY,
        };
        return Table::LooksUp {
            defines,
            copies: against.iter().any(|relocation| relocation.r_type == copy),
        };
    }
    let own =
        elf.syms.iter().any(|symbol| !symbol.is_import() && elf.strtab.get_at(symbol.st_name) == Some(TABLE));
    if own || defines { Table::Defines } else { Table::Absent }
}

/// Was it linked so that the loader looks into it first for what it needs itself?
fn is_symbolic(elf: &Elf<'_>) -> bool {
    elf.dynamic.as_ref().is_some_and(|dynamic| {
        dynamic.dyns.iter().any(|entry| {
            entry.d_tag == dynamic::DT_SYMBOLIC
                || (entry.d_tag == dynamic::DT_FLAGS && entry.d_val & dynamic::DF_SYMBOLIC != 0)
        })
    })
}

/// Is its table this driver's, by the linker flags for static programs?
fn is_ours(elf: &Elf<'_>) -> bool {
    let address = |wanted: &str| {
        let mut found = elf.syms.iter().filter(|symbol| !symbol.is_import() || symbol.st_value != 0);
        found.find(|symbol| elf.strtab.get_at(symbol.st_name) == Some(wanted)).map(|symbol| symbol.st_value)
    };
    address(TABLE).is_some_and(|table| address(OURS) == Some(table))
}
