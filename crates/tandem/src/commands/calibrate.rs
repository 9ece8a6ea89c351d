//! `tandem calibrate`: measures the client's own error budget.

mod print;

use document::output::say;
use domain::exit::{Exit, Fatal, OrFatal as _};
use domain::record::{BudgetEnd, CALIBRATION_FILE, CALIBRATION_SCHEMA, Calibration, Provenance};
use domain::telemetry::GpuSource;

use crate::budget::{Ladder, climb};
use crate::cpus;
use crate::descriptors;
use crate::flags::{CalibrateArgs, HttpFlags};
use crate::folder;
use crate::target::Target;
use crate::terminal;

pub(crate) fn calibrate(args: &CalibrateArgs) -> Result<Exit, Fatal> {
    let lock = args.out.as_deref().map(folder::begin).transpose()?;
    let all = cpus::usable();
    // The runtime of a command on a real server.
    let http = HttpFlags {
        http: args.http,
        proxy: None,
    };
    let (runtime, facts) = args.runtime.start(&Target::Real(Vec::new()), &http)?;
    let facts = facts.ok_or_else(|| Fatal::environment("a real target has runtime facts"))?;
    let now = folder::wall_clock();
    let streams: Vec<u32> = args.streams.iter().map(|n| n.get()).collect();
    let environment = telemetry::environment(GpuSource::Absent {
        reason: "a calibration uses no GPU".to_owned(),
    });
    let most = descriptors::most_with_both_ends();
    let ladder = if args.quick {
        Ladder::quick(most)
    } else {
        if let Some(over) = streams.iter().max() {
            descriptors::enough_for(*over, true)?;
        }
        Ladder::full(&streams, most)
    };
    let budget = runtime.block_on(async {
        terminal::until_stopped("what was measured so far is printed", async |stop| {
            climb(ladder, &args.api, facts, &all, stop).await
        })
        .await
    })?;
    let name = args.out.as_deref().map_or_else(
        || "calibration".to_owned(),
        |dir| folder::name_of(dir, "calibration"),
    );
    let calibration = Calibration {
        schema: CALIBRATION_SCHEMA,
        header: folder::header(name, Provenance::Measured, now, environment),
        budget,
    };
    // Write even when printing failed, so that a full disk under standard output loses nothing.
    let printed = terminal::print(args.json, &calibration, || print::block(&calibration));
    if let Some(dir) = &args.out {
        results::calibration::write(dir, &calibration)
            .or_environment(format!("{} could not be written", dir.display()))?;
        let file = dir.join(CALIBRATION_FILE);
        say(format_args!("Wrote {}", file.display()));
    }
    printed?;
    drop(lock);
    let budget = &calibration.budget;
    Ok(Exit::of_run(
        budget.ended == BudgetEnd::Interrupted,
        budget.steps.iter().any(|step| step.left_out > 0),
    ))
}
