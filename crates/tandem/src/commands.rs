//! The commands, a file each. No command uses another.

mod calibrate;
mod calibrate_profile;
mod capacity;
mod doctor;
mod import;
mod init;
mod load;
mod report;
mod serve;
mod show;
mod sweep;

use domain::exit::{Exit, Fatal};

use crate::flags::Command;

pub(crate) fn run(command: &Command) -> Result<Exit, Fatal> {
    match command {
        Command::Sweep(args) => sweep::sweep(args),
        Command::Init(args) => init::init(args),
        Command::Run(args) => sweep::run(args),
        Command::Load(args) => load::load(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Capacity(args) => capacity::capacity(args),
        Command::Serve(args) => serve::serve(args),
        Command::Calibrate(args) => calibrate::calibrate(args),
        Command::Import(args) => import::import(args),
        Command::Show(args) => show::show(args),
        Command::CalibrateProfile(args) => calibrate_profile::calibrate(args),
        Command::Report(args) => report::pass_on(args),
    }
}
