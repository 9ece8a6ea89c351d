//! The fuzzer: `TANDEM_FUZZ` names the target, the arguments are libFuzzer's. `cargo xtask fuzz` runs it.
#![no_main]

use std::sync::LazyLock;

use fuzz::Target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("TANDEM_FUZZ").unwrap_or_default();
    let target = Target::ALL.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("TANDEM_FUZZ names no target: `{name}`"))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| (TARGET.run)(input));
