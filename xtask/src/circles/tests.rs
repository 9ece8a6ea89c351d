use std::collections::BTreeMap;

use super::*;

/// The circles of a target with these files, as `from -> to: names` lines, a blank line between
/// circles.
fn circles(files: &[(&str, &str)]) -> String {
    let files: BTreeMap<&Path, &str> = files.iter().map(|(p, s)| (Path::new(*p), *s)).collect();
    let read = |path: &Path| files.get(path).map(|text| (*text).to_owned());
    let circles = of_target(Path::new("src/lib.rs"), &read);
    let circles = circles.iter().map(|circle| {
        let arrows = circle.arrows.iter().map(|arrow| {
            let names: Vec<&str> = arrow.names.iter().map(String::as_str).collect();
            let (from, to) = (arrow.from.display(), arrow.to.display());
            format!("{from} -> {to}: {}", names.join(" ")).replace("src/", "")
        });
        arrows.collect::<Vec<_>>().join("\n")
    });
    circles.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b;"),
        (
            "src/a.rs",
            "use crate::b::{self, B, deep::C as D}; fn a() { b::f() }",
        ),
        (
            "src/b.rs",
            "struct B; fn f() { super::a::a(); } pub mod deep { pub struct C; }",
        ),
    ]);
    assert_eq!(found, "a.rs -> b.rs: B C f\nb.rs -> a.rs: a");
}

#[test]
fn a_parent_that_only_re_exports_is_in_no_circle() {
    let found = circles(&[
        (
            "src/lib.rs",
            "mod a; mod b; pub use a::A; pub(crate) use b::*;",
        ),
        ("src/a.rs", "use crate::B; pub struct A;"),
        ("src/b.rs", "pub struct B;"),
    ]);
    assert_eq!(found, "");
}

#[test]
fn what_a_parent_uses_of_its_children_is_no_arrow() {
    let found = circles(&[
        (
            "src/lib.rs",
            "mod a; struct P; use a::f; fn p() { a::b::g() }",
        ),
        ("src/a.rs", "pub mod b; use super::P; pub fn f() {}"),
        ("src/a/b.rs", "use crate::P; pub fn g() { super::f() }"),
    ]);
    assert_eq!(found, "");
}

#[test]
fn a_file_that_reaches_past_a_parent_can_close_a_circle() {
    for other in [
        "pub fn o() { crate::a::part::g() }",
        "use crate::a; pub fn o() { a::g() }",
        "use crate::a::*; pub fn o() { g() }",
        "pub use crate::a::g; pub fn o() { g() }",
    ] {
        let found = circles(&[
            ("src/lib.rs", "mod a; mod other;"),
            (
                "src/a.rs",
                "pub mod part; pub use part::*; pub fn f() { crate::other::o() }",
            ),
            ("src/a/part.rs", "pub fn g() { super::f() }"),
            ("src/other.rs", other),
        ]);
        let expected = "a.rs -> other.rs: o\na/part.rs -> a.rs: f\nother.rs -> a/part.rs: g";
        assert_eq!(found, expected, "{other}");
    }
}

#[test]
fn names_are_followed_through_re_exports_and_circles_are_told_apart() {
    let found = circles(&[
        (
            "src/lib.rs",
            "mod one; mod two; mod three; mod four; mod alone;",
        ),
        ("src/one/mod.rs", "mod inner; pub use inner::Inner;"),
        (
            "src/one/inner.rs",
            "use crate::two; pub struct Inner(two::Two);",
        ),
        ("src/two.rs", "use crate::one::Inner; pub struct Two;"),
        (
            "src/three.rs",
            "pub struct T; fn t() { super::four::f::<T>() }",
        ),
        (
            "src/four.rs",
            "pub fn f<X>() -> super::three::T { todo!() }",
        ),
        ("src/alone.rs", "use crate::one::Inner;"),
    ]);
    let expected = "one/inner.rs -> two.rs: Two\ntwo.rs -> one/inner.rs: Inner\n\n\
                    three.rs -> four.rs: f\nfour.rs -> three.rs: T";
    assert_eq!(found, expected);
}

#[test]
fn literals_comments_fields_and_other_crates_make_no_arrows() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b::B; pub struct A { b: B }"),
        (
            "src/b.rs",
            r##"
            // crate::a::A
            /* crate::a::A /* nested */ crate::a::A */
            use serde::a::A as Other;
            pub struct B<'a>(&'a str);
            fn f(x: &B) -> impl Sized + use<'_> {
                x.a.A();
                ('"', '\'', b'"', "crate::a::A \" crate::a::A", r#"" crate::a::A "#, <X>::A)
            }
            mod tests { use super::*; }
            "##,
        ),
    ]);
    assert_eq!(found, "");
}

#[test]
fn modules_with_a_path_of_their_own_are_found() {
    let found = circles(&[
        (
            "src/lib.rs",
            "#[cfg(test)] #[path = \"odd.rs\"] mod a; mod b;",
        ),
        ("src/odd.rs", "use crate::b::r#type; pub struct A;"),
        ("src/b.rs", "pub fn r#type() { crate::a::A; }"),
    ]);
    assert_eq!(found, "odd.rs -> b.rs: type\nb.rs -> odd.rs: A");
}
