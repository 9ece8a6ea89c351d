//! The commands, a file each. None knows of another.

pub(crate) mod calibrate;
pub(crate) mod calibrate_profile;
pub(crate) mod capacity;
pub(crate) mod doctor;
pub(crate) mod load;
pub(crate) mod serve;
pub(crate) mod sweep;
