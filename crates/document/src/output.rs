//! Standard output and standard error of a command. A reader that goes away before the end (`| head`) stops nothing
//! and changes no exit code. Colours and line ends are the only control characters that pass.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Stderr, Stdout, Write};

use crate::safe;

/// A stream that drops what is written once its reader has closed it. Other errors, such as a full disk, stay.
#[derive(Debug)]
pub struct Output<W> {
    stream: W,
    colours: bool,
}

impl<W: IsTerminal> Output<W> {
    fn new(stream: W) -> Self {
        let colours = stream.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { stream, colours }
    }

    /// True on a terminal, unless `NO_COLOR` is set.
    pub const fn has_colours(&self) -> bool {
        self.colours
    }
}

pub fn stdout() -> Output<Stdout> {
    Output::new(io::stdout())
}

pub fn stderr() -> Output<Stderr> {
    Output::new(io::stderr())
}

/// Writes a line to standard error. When that fails there is no place to say so.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(stderr(), "{line}");
}

/// The outcome of a write, or `instead` when the reader has closed the stream.
fn unless_closed<T>(written: io::Result<T>, instead: T) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(instead),
        other => other,
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shown = std::str::from_utf8(bytes).map(|text| safe::lines(text, self.colours));
        let written = match shown {
            Ok(Cow::Owned(safe)) => {
                let written = self.stream.write_all(safe.as_bytes());
                written.map(|()| bytes.len())
            }
            _ => self.stream.write(bytes),
        };
        unless_closed(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_closed(self.stream.flush(), ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(io::ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn colours_and_line_ends_pass_and_nothing_else_that_is_hidden() {
        let shown = |colours| {
            let mut output = Output {
                stream: Vec::new(),
                colours,
            };
            let text = "\u{1b}[1;31mred\u{1b}[0m\n\u{1b}]0;title\u{7} \u{202e}\r";
            output.write_all(text.as_bytes()).unwrap();
            String::from_utf8(output.stream).unwrap()
        };
        let rest = "\n\\u001b]0;title\\u0007 \\u202e\\u000d";
        assert_eq!(shown(true), format!("\u{1b}[1;31mred\u{1b}[0m{rest}"));
        assert_eq!(shown(false), format!("\\u001b[1;31mred\\u001b[0m{rest}"));
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error_and_a_full_disk_is_one() {
        let fails = |kind| Output {
            stream: Fails(kind),
            colours: false,
        };
        let mut unread = fails(io::ErrorKind::BrokenPipe);
        unread.write_all(b"text").unwrap();
        unread.flush().unwrap();
        let mut full = fails(io::ErrorKind::StorageFull);
        let error = full.write_all(b"text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        full.flush().unwrap_err();
    }
}
