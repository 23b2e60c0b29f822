//! Results on stdout, as text or as JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Failure, Result};

/// How results are shown.
#[derive(Clone, Copy)]
pub struct Output {
    /// As one JSON object.
    pub json: bool,
}

impl Output {
    /// Shows a result.
    pub fn show(
        self,
        result: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = if self.json {
            serde_json::to_writer(&mut stdout, result)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(stdout))
        } else {
            text(&mut stdout)
        };
        written.and_then(|()| stdout.flush()).map_err(Failure::output)
    }

    /// The same with colours, which are left out where stdout is no terminal, or `NO_COLOR` is set.
    pub fn show_coloured(
        self,
        result: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        self.show(result, |out| {
            let choice = anstream::AutoStream::choice(&io::stdout());
            let mut painted = anstream::AutoStream::new(Vec::new(), choice);
            text(&mut painted)?;
            out.write_all(&painted.into_inner())
        })
    }

    /// Tells of a failure, on stderr.
    pub fn fail(self, failure: &Failure) {
        if failure.quiet {
            return;
        }
        // Where stderr is closed there is nobody to tell.
        let _ = if self.json {
            let line = serde_json::json!({ "error": failure.to_string(), "code": failure.code as u8 });
            writeln!(io::stderr(), "{line}")
        } else {
            writeln!(io::stderr(), "ktli-uring: {failure}")
        };
    }
}
