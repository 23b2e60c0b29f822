//! What only the program needs: its signals and what it prints.

pub mod report;
pub mod signals;
