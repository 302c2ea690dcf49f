//! Regular expressions as the BEAM writes them (PCRE), as far as they mean the same in linear time.

use std::fmt;

use regex_automata::dfa::{dense, Automaton};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

/// Most bytes of an automaton, and of what is needed to make one.
const MOST_AUTOMATON: usize = 2 << 20;
const MOST_WORK: usize = 8 << 20;
/// Longest source.
const LONGEST_SOURCE: usize = 4096;

/// How an expression is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Case aside.
    pub caseless: bool,
    /// `^` and `$` at lines too.
    pub multiline: bool,
    /// `.` is a line's end too.
    pub dotall: bool,
    /// White space and comments are not part of it.
    pub extended: bool,
    /// Texts are UTF-8 and classes those of Unicode.
    pub unicode: bool,
}

/// Why an expression is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// An expression as an automaton.
pub struct Expression {
    source: String,
    automaton: dense::DFA<Vec<u32>>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Expression {
    /// An expression from its source.
    pub fn new(source: &str, flags: Flags) -> Result<Self, Refused> {
        if source.len() > LONGEST_SOURCE {
            return Err(Refused(format!("it is longer than {LONGEST_SOURCE} bytes")));
        }
        check(source.as_bytes(), flags.extended)?;
        let automaton = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .match_kind(MatchKind::All)
                    .dfa_size_limit(Some(MOST_AUTOMATON))
                    .determinize_size_limit(Some(MOST_WORK)),
            )
            .syntax(
                syntax::Config::new()
                    .case_insensitive(flags.caseless)
                    .multi_line(flags.multiline)
                    .dot_matches_new_line(flags.dotall)
                    .ignore_whitespace(flags.extended)
                    .unicode(flags.unicode)
                    .utf8(false),
            )
            .thompson(regex_automata::nfa::thompson::Config::new().utf8(false))
            .build(source)
            .map_err(|error| Refused(why(&error)))?;
        Ok(Self {
            source: source.to_owned(),
            automaton,
        })
    }

    /// Whether it matches anywhere in a text. What the automaton gives up on counts as a match.
    pub fn matches(&self, text: &[u8]) -> bool {
        if cfg!(mutant = "redact_expressions_ignored") {
            return false;
        }
        // `$` means before a line's end that ends the text too.
        self.finds(text) || text.strip_suffix(b"\n").is_some_and(|text| self.finds(text))
    }

    fn finds(&self, text: &[u8]) -> bool {
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        self.automaton
            .try_search_fwd(&input)
            .map_or(true, |found| found.is_some())
    }
}

fn why(error: &dense::BuildError) -> String {
    use std::error::Error;
    // The parser's text shows the place, over several lines: its last one says what is wrong.
    let deepest = std::iter::successors(Some(error as &dyn Error), |error| (*error).source()).last();
    let text = deepest.unwrap_or(error).to_string();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
    line.trim().trim_start_matches("error: ").to_owned()
}

/// Refuses what means something else in PCRE, or nothing there.
fn check(source: &[u8], extended: bool) -> Result<(), Refused> {
    let (mut at, mut class) = (0, None);
    while let Some(byte) = source.get(at) {
        let rest = &source[at..];
        let odd = match (byte, class) {
            (b'\\', _) => {
                at += 1;
                escape(&rest[1..])
            }
            (b'[', None) => {
                class = Some(at);
                // A bracket that comes first in a class stands for itself.
                at += usize::from(rest.get(1) == Some(&b'^'));
                at += usize::from(source.get(at + 1) == Some(&b']'));
                None
            }
            (b']', Some(_)) => {
                class = None;
                None
            }
            (b'[', Some(_)) if rest.get(1) != Some(&b':') => Some("a [ within a class: write it as \\["),
            (b'[', Some(_)) => {
                at += rest.iter().position(|byte| *byte == b']').unwrap_or(0);
                None
            }
            (b'&' | b'-' | b'~', Some(_)) if rest.get(1) == Some(byte) => {
                Some("a character twice within a class that means sets there")
            }
            (b' ' | b'\t' | b'\n' | b'#', Some(_)) if extended => Some("white space within a class, with x"),
            _ => None,
        };
        if let Some(what) = odd {
            return Err(Refused(what.to_owned()));
        }
        at += 1;
    }
    Ok(())
}

/// What is escaped.
fn escape(rest: &[u8]) -> Option<&'static str> {
    match rest {
        [b'<' | b'>', ..] => Some("\\< or \\>: write < or >"),
        [b'b' | b'B', b'{', ..] => Some("\\b{: write \\b\\{"),
        [b'v', ..] => Some("\\v: write \\x0B"),
        _ => None,
    }
}
