//! How the user started the program, so that a hint says what they would type.

/// Environment variable with the command that started the binary, if not its own name.
pub const INVOKED_AS: &str = "TANDEM_INVOKED_AS";

/// The command that the user typed: `tandem`, or `cargo xtask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation(String);

impl Default for Invocation {
    fn default() -> Self {
        Self("tandem".to_owned())
    }
}

impl Invocation {
    /// What [`INVOKED_AS`] says; `tandem` without it. The binaries read it once, at their start.
    pub fn from_environment() -> Self {
        std::env::var(INVOKED_AS)
            .ok()
            .filter(|value| !value.trim().is_empty())
            .map_or_else(Self::default, Self)
    }

    /// The whole command: `tandem report --input results/a`.
    pub fn command(&self, rest: &str) -> String {
        format!("{} {rest}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_what_was_typed() {
        assert_eq!(Invocation::default().command("sweep"), "tandem sweep");
        let through = Invocation("cargo xtask".to_owned()).command("report --input a");
        assert_eq!(through, "cargo xtask report --input a");
    }
}
