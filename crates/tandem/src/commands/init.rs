//! `tandem init`: writes a plan file to start from.

use std::fs::File;
use std::io::{ErrorKind, Write as _};

use document::output;
use domain::exit::{Exit, Fatal, Hint as _, OrFatal as _};
use domain::plan::STARTER;

use crate::flags::InitArgs;

/// Writes the commented starter plan. Fails when the file exists or cannot be written.
pub(crate) fn init(args: &InitArgs) -> Result<Exit, Fatal> {
    let file = args.file.display();
    let mut new = match File::create_new(&args.file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Fatal::usage(format!("{file} exists already"))
                .hint("name another file: tandem init FILE"));
        }
        created => created.or_environment(format!("{file} could not be created"))?,
    };
    new.write_all(STARTER.as_bytes())
        .or_environment(format!("{file} could not be written"))
        .hint("check the free space, and remove the incomplete file")?;
    let _ = writeln!(
        output::stdout(),
        "Wrote {file}. Try it without a server: tandem sweep --simulate --plan {file}"
    );
    Ok(Exit::Done)
}
