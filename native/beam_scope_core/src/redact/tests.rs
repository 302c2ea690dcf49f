//! Rules against what they must and must not find.

use proptest::prelude::*;

use super::*;

fn words(words: &[&str]) -> KeyRules {
    KeyRules::new(words.iter().map(|word| (*word).to_owned()), Vec::new())
}

fn expression(source: &str, flags: Flags) -> KeyRules {
    KeyRules::new([], vec![Arc::new(Expression::new(source, flags).unwrap())])
}

const CASELESS: Flags = Flags {
    caseless: true,
    multiline: false,
    dotall: false,
    extended: false,
    unicode: false,
};

#[test]
fn words_are_contained_case_aside() {
    let rules = words(&["password", "API_Key", ""]);
    for key in ["password", "user_PassWord_hash", "x-api_key", "API_KEY"] {
        assert!(rules.matches(key.as_bytes()), "{key}");
    }
    for key in ["", "pass_word", "key", "passwor"] {
        assert!(!rules.matches(key.as_bytes()), "{key}");
    }
    assert!(words(&[""]).is_empty());
}

#[test]
fn expressions_mean_what_they_do_in_the_vm() {
    assert!(expression("secret", CASELESS).matches(b"my_SECRET_x"));
    assert!(!expression("secret", Flags::default()).matches(b"my_SECRET_x"));
    assert!(expression("^(card|iban)$", Flags::default()).matches(b"iban"));
    assert!(expression("^(card|iban)$", Flags::default()).matches(b"iban\n"));
    assert!(!expression("^(card|iban)$", Flags::default()).matches(b"iban_of"));
    assert!(expression(r"\bpin\b", Flags::default()).matches(b"the pin"));
    assert!(!expression(r"\bpin\b", Flags::default()).matches(b"spin"));
    assert!(expression(r"[]x]\d+", Flags::default()).matches(b"a]1"));
    assert!(expression("a.c", Flags::default()).matches(b"a\xFFc"));
    let unicode = Flags {
        unicode: true,
        caseless: true,
        ..Flags::default()
    };
    assert!(expression("straße|ключ", unicode).matches("КЛЮЧ".as_bytes()));
}

#[test]
fn what_means_something_else_is_refused() {
    for source in [
        r"(?=secret)",
        r"(?<!x)secret",
        r"(a)\1",
        r"(?>a)b",
        r"[a&&b]",
        r"[a[b]]",
        r"a\<b",
        r"\vx",
        r"a\K",
        "(",
        r"\p{L}{1,60}[a-z]{0,400}x",
    ] {
        let flags = Flags {
            unicode: source.starts_with(r"\p"),
            ..Flags::default()
        };
        let Err(Refused(why)) = Expression::new(source, flags) else {
            panic!("{source} was taken")
        };
        assert!(!why.is_empty() && !why.contains('\n'), "{source}: {why}");
    }
    assert!(Expression::new(&"x".repeat(5000), Flags::default()).is_err());
}

#[test]
fn longer_texts_are_no_keys() {
    let mut text = vec![b'x'; LONGEST - 6];
    text.extend(b"secret");
    assert!(words(&["secret"]).matches(&text));
    text.insert(0, b'x');
    assert!(!words(&["secret"]).matches(&text));
}

#[test]
fn a_union_finds_what_any_finds() {
    let all = [words(&["pin"]), expression("^tok", CASELESS), words(&[])];
    let union = KeyRules::union(all.iter());
    for key in ["PIN", "Token"] {
        assert!(union.matches(key.as_bytes()));
    }
    assert!(!union.matches(b"stoke"));
}

proptest! {
    /// A word is found wherever it stands, in whatever case, among whatever bytes.
    #[test]
    fn a_word_is_found_anywhere(
        before in proptest::collection::vec(any::<u8>(), 0..40),
        after in proptest::collection::vec(any::<u8>(), 0..40),
        word in "[a-z_]{1,12}",
        upper in any::<u64>(),
        others in proptest::collection::vec("[a-z]{1,6}", 0..5),
    ) {
        let cased = word.bytes().enumerate();
        let cased = cased.map(|(i, byte)| if upper >> i & 1 == 1 { byte.to_ascii_uppercase() } else { byte });
        let text: Vec<u8> = before.iter().copied().chain(cased).chain(after.iter().copied()).collect();
        let rules = KeyRules::new(others.into_iter().chain([word.clone()]), Vec::new());
        prop_assert!(rules.matches(&text));
        let expression = Expression::new(&word, CASELESS).unwrap();
        prop_assert!(expression.matches(&text));
    }

    /// Words find what a naive search finds, and nothing else.
    #[test]
    fn words_equal_a_naive_search(text in "[a-cA-C_]{0,30}", rules in proptest::collection::vec("[a-cA-C_]{1,4}", 0..6)) {
        let lower = text.to_lowercase();
        let naive = rules.iter().any(|word| lower.contains(&word.to_lowercase()));
        prop_assert_eq!(KeyRules::new(rules, Vec::new()).matches(text.as_bytes()), naive);
    }
}
