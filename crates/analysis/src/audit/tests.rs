//! The shipped claims, and each method on small data.

use std::path::{Path, PathBuf};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tr113")
}

fn shipped() -> Ledger {
    let sources = Sources::load(&folder()).unwrap();
    let claims = Claims::read(&folder().join("claims.toml")).unwrap();
    claims.audit(&sources).unwrap()
}

#[test]
fn shipped_ledger() {
    let ledger = shipped();
    insta::assert_snapshot!("ledger", ledger.to_markdown(2));
}
