use proptest::prelude::*;

use super::*;

fn component(text: &str) -> Component {
    Component::with_rules(text.as_bytes(), false).unwrap()
}

fn mended(bytes: &[u8], windows: bool) -> String {
    Component::with_rules(bytes, windows).unwrap().text
}

#[test]
fn components_that_lead_elsewhere_are_refused() {
    let separator = |component: &str| PathError::Separator { component: component.to_owned() };
    let cases: &[(&[u8], PathError)] = &[
        (b"", PathError::EmptyComponent),
        (b".", PathError::DotComponent { component: "." }),
        (b"..", PathError::DotComponent { component: ".." }),
        (b"a/b", separator("a/b")),
        (b"/etc", separator("/etc")),
        (b"..\\x", separator("..\\x")),
        (b"a\0b", separator("ab")),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Component::new(bytes).as_ref(), Err(expected), "{bytes:?}");
    }
}

#[test]
fn unusual_components_are_mended() {
    let cases: &[(&[u8], &str, &str)] = &[
        (b"plain.txt", "plain.txt", "plain.txt"),
        (b"...", "...", "_"),
        (b".hidden", ".hidden", ".hidden"),
        ("Ωλ".as_bytes(), "Ωλ", "Ωλ"),
        (b"Icon\r", "Icon_", "Icon_"),
        (b"a\x1b[2J\x7f", "a_[2J_", "a_[2J_"),
        ("a\u{202e}gpj.exe".as_bytes(), "a_gpj.exe", "a_gpj.exe"),
        ("a\u{200e}b\u{200d}".as_bytes(), "a\u{200e}b\u{200d}", "a\u{200e}b\u{200d}"),
        (b"\xff\xfe", "\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}"),
        (b"a:b*c?d\"e<f>g|h", "a:b*c?d\"e<f>g|h", "a_b_c_d_e_f_g_h"),
        (b"dot. ", "dot. ", "dot"),
        (b"aux.c", "aux.c", "_aux.c"),
        (b"con", "con", "_con"),
        (b"Nul .tar.gz", "Nul .tar.gz", "_Nul .tar.gz"),
        (b"COM1", "COM1", "_COM1"),
        ("LPT².x".as_bytes(), "LPT².x", "_LPT².x"),
        (b"COM", "COM", "COM"),
        (b"COM10", "COM10", "COM10"),
        (b"conin$", "conin$", "_conin$"),
        (b"console", "console", "console"),
    ];
    for (bytes, unix, windows) in cases {
        assert_eq!(mended(bytes, false), *unix, "{bytes:?}");
        assert_eq!(mended(bytes, true), *windows, "{bytes:?} on Windows");
    }
}

#[test]
fn long_components_are_cut_before_a_short_extension() {
    let cases = [
        ("x".repeat(255), "x".repeat(255)),
        ("x".repeat(256), "x".repeat(255)),
        ("x".repeat(300) + ".tar", "x".repeat(251) + ".tar"),
        (".".to_owned() + &"x".repeat(300), ".".to_owned() + &"x".repeat(254)),
        ("a.".to_owned() + &"x".repeat(300), "a.".to_owned() + &"x".repeat(253)),
        ("ä".repeat(200), "ä".repeat(127)),
        ("ä".repeat(200) + ".c", "ä".repeat(126) + ".c"),
    ];
    for (name, expected) in cases {
        assert_eq!(mended(name.as_bytes(), false), expected);
    }
}

#[test]
fn depth_and_length_are_bounded() {
    assert_eq!(check_depth(0), Err(PathError::NoComponents));
    assert_eq!(check_depth(64), Ok(()));
    assert_eq!(check_depth(65), Err(PathError::TooDeep { components: 65 }));
    let long = vec![component(&"x".repeat(255)); 16];
    assert_eq!(check_length(&long), Ok(()));
    let too_long = vec![component(&"x".repeat(255)); 17];
    assert_eq!(check_length(&too_long), Err(PathError::TooLong { bytes: 4352 }));
}

#[test]
fn the_alternative_counts_only_if_it_is_better() {
    assert_eq!(utf8_or(b"a", Some(b"b")), b"a");
    assert_eq!(utf8_or(b"\xff", Some(b"b")), b"b");
    assert_eq!(utf8_or(b"\xff", Some(b"\xfe")), b"\xff");
    assert_eq!(utf8_or(b"\xff", None), b"\xff");
}

/// Paths in a notation: `/` between components, `!` for a byte that is mended to `_`.
fn place(paths: &[&str]) -> Result<Vec<String>, (usize, PathError)> {
    let paths: Vec<Vec<Component>> = paths
        .iter()
        .map(|path| path.split('/').map(|text| component(&text.replace('!', "\x01"))).collect())
        .collect();
    let places = Tree::default().place(&paths, core::iter::repeat(false))?;
    Ok(places.iter().map(|path| path.to_str().unwrap().replace('\\', "/")).collect())
}

#[test]
fn mended_paths_give_way_and_keep_their_extension() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["a", "b/c", "b/d"], &["a", "b/c", "b/d"]),
        (&["a!", "a!", "a!"], &["a_", "a_~1", "a_~2"]),
        (&["a!.txt", "a_.txt"], &["a_~1.txt", "a_.txt"]),
        (&["a!", "a_", "a_~1"], &["a_~2", "a_", "a_~1"]),
        (&["d!/x", "d!/y", "d_"], &["d_~1/x", "d_~1/y", "d_"]),
        (&["d!/x", "d_/y"], &["d_/x", "d_/y"]),
        (&["d!", "d_/y"], &["d_~1", "d_/y"]),
        (&["d!/x", "d!"], &["d_/x", "d_~1"]),
        (&["d/x!/y", "d/x_"], &["d/x_~1/y", "d/x_"]),
    ];
    for (paths, expected) in cases {
        assert_eq!(place(paths).unwrap(), *expected, "{paths:?}");
    }
}

#[test]
fn paths_that_collide_as_they_came_are_refused() {
    let duplicate = |file, path: &str| Err((file, PathError::Duplicate { path: path.to_owned() }));
    let both = |file, path: &str| Err((file, PathError::FileAndFolder { path: path.to_owned() }));
    assert_eq!(place(&["a", "b", "a"]), duplicate(2, "a"));
    assert_eq!(place(&["d/a", "d/a"]), duplicate(1, "d/a"));
    assert_eq!(place(&["a", "a/b"]), both(1, "a"));
    assert_eq!(place(&["d/a/x", "d/a"]), both(1, "d/a"));
    assert_eq!(place(&["d/a", "d/a/b/c"]), both(1, "d/a"));
    let empty = Tree::default().place(&[vec![]], core::iter::repeat(false));
    assert_eq!(empty, Err((0, PathError::NoComponents)));
}

#[test]
fn cut_names_that_collide_stay_within_the_limit() {
    let name = "x".repeat(300) + ".mp3";
    let paths = vec![vec![component(&name)]; 12];
    let places = Tree::default().place(&paths, core::iter::repeat(false)).unwrap();
    let unique: std::collections::BTreeSet<_> = places.iter().collect();
    assert_eq!(unique.len(), 12);
    for place in &places {
        let place = place.to_str().unwrap();
        assert!(place.len() <= COMPONENT_BYTES_MAX && place.ends_with(".mp3"), "{place}");
    }
}

#[test]
fn padding_takes_no_place() {
    let paths = vec![vec![component("p")]; 3];
    let places = Tree::default().place(&paths, [true, false, true].into_iter()).unwrap();
    assert_eq!(places, vec![PathBuf::from("p"); 3]);
}

#[test]
fn a_hundred_thousand_collisions_take_no_quadratic_time() {
    let paths = vec![vec![component("\x01")]; 100_000];
    let places = Tree::default().place(&paths, core::iter::repeat(false)).unwrap();
    assert_eq!(places.last().unwrap().to_str(), Some("_~99999"));
}

proptest! {
    #[test]
    fn a_component_is_always_plain(bytes: Vec<u8>, windows: bool) {
        if let Ok(component) = Component::with_rules(&bytes, windows) {
            let path = PathBuf::from(&component.text);
            let parts: Vec<_> = path.components().collect();
            prop_assert_eq!(parts.len(), 1);
            prop_assert!(matches!(parts[0], std::path::Component::Normal(_)));
            prop_assert!(component.text.len() <= COMPONENT_BYTES_MAX);
            let again = Component::with_rules(component.text.as_bytes(), windows).unwrap();
            prop_assert!(!again.mended);
        }
    }

    #[test]
    fn places_are_unique_and_no_file_is_a_folder(
        paths in prop::collection::vec(prop::collection::vec("[ab!~1]{1,3}", 1..4), 0..30),
    ) {
        let texts: Vec<String> = paths.iter().map(|path| path.join("/")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        if let Ok(places) = place(&texts) {
            for (index, place) in places.iter().enumerate() {
                let below = format!("{place}/");
                for other in places.iter().skip(index + 1) {
                    prop_assert_ne!(place, other);
                    let below_other = format!("{other}/");
                    prop_assert!(!other.starts_with(&below) && !place.starts_with(&below_other));
                }
            }
        }
    }
}
