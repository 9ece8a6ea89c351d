use super::*;

#[test]
fn the_profiles_that_ship_are_valid() {
    for name in BUILTIN {
        assert_eq!(Profile::builtin(name).expect("ships").name, name);
    }
}
