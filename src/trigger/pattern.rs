//! Filter patterns of GitHub Actions, for branches, tags and paths.
//!
//! By GitHub's workflow syntax, "Filter pattern cheat sheet": `*` is any characters but `/`, `**` any characters, `?` makes the
//! character before it optional, `+` repeats it, `[]` is one of some letters and digits, `\` takes a character as it is. `!` at
//! the start excludes what patterns before have included, and the last pattern that matches decides.

use std::fmt;

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    negative: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    what: What,
    /// May be left out.
    optional: bool,
    /// May come again.
    many: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Char(char),
    /// `[]`
    OneOf(Vec<(char, char)>),
    /// `*`
    NoSlash,
    /// `**`
    Any,
    /// `**/` where a folder's name may begin: nothing, or all up to a `/`.
    Folders,
}

impl Pattern {
    /// Reads a pattern; or says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("the pattern {text:?} {why}");
        let (negative, body) = match text.strip_prefix('!') {
            Some(body) => (true, body),
            None => (false, text),
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut left = body.chars().peekable();
        let mut at_name = true;
        while let Some(c) = left.next() {
            let begins_name = std::mem::replace(&mut at_name, c == '/');
            let (what, optional, many) = match c {
                '*' if left.next_if_eq(&'*').is_some() => {
                    while left.next_if_eq(&'*').is_some() {}
                    match begins_name && left.next_if_eq(&'/').is_some() {
                        true => {
                            at_name = true;
                            (What::Folders, false, false)
                        }
                        false => (What::Any, true, true),
                    }
                }
                '*' => (What::NoSlash, true, true),
                '?' | '+' => {
                    let before =
                        parts.last_mut().filter(|part| !part.optional && !part.many && part.what != What::Folders);
                    let Some(before) = before else {
                        return Err(wrong(&format!("has a {c} with no character before it")));
                    };
                    if c == '?' {
                        before.optional = true
                    } else {
                        before.many = true
                    }
                    continue;
                }
                '[' => {
                    let set: String = left.by_ref().take_while(|c| *c != ']').collect();
                    (What::OneOf(ranges(&set).map_err(|why| wrong(&why))?), false, false)
                }
                '\\' => (What::Char(left.next().ok_or_else(|| wrong("ends with a \\"))?), false, false),
                c => (What::Char(c), false, false),
            };
            parts.push(Part { what, optional, many });
        }
        if parts.is_empty() { Err(wrong("is empty")) } else { Ok(Self { text: text.to_owned(), negative, parts }) }
    }

    /// Whether the whole text is as the pattern says; of one that excludes, whether it is what that excludes.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // How far each way of reading the pattern has got.
        let mut at = vec![false; text.len() + 1];
        at[0] = true;
        for part in &self.parts {
            let mut next = vec![false; at.len()];
            for from in (0..at.len()).filter(|from| at[*from]) {
                part.reach(&text, from, &mut next);
            }
            at = next;
        }
        at[text.len()]
    }
}

impl Part {
    /// Marks where the text may go on after this part, which begins at `from`.
    fn reach(&self, text: &[char], from: usize, next: &mut [bool]) {
        if self.what == What::Folders {
            next[from] = true;
            (from..text.len()).filter(|index| text[*index] == '/').for_each(|index| next[index + 1] = true);
            return;
        }
        next[from] |= self.optional;
        for (index, c) in text.iter().enumerate().skip(from) {
            if !self.takes(*c) {
                return;
            }
            next[index + 1] = true;
            if !self.many {
                return;
            }
        }
    }

    fn takes(&self, c: char) -> bool {
        match &self.what {
            What::Char(own) => c == *own,
            What::OneOf(ranges) => ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)),
            What::NoSlash => c != '/',
            What::Any | What::Folders => true,
        }
    }
}

/// What stands in brackets: letters, digits, and ranges of them.
fn ranges(set: &str) -> Result<Vec<(char, char)>, String> {
    let mut left = set.chars().peekable();
    let mut ranges = Vec::new();
    while let Some(first) = left.next() {
        let last = match left.next_if_eq(&'-') {
            Some(_) => left.next().ok_or("has a range without an end")?,
            None => first,
        };
        let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_lowercase(), c.is_ascii_uppercase());
        if !first.is_ascii_alphanumeric() || kind(first) != kind(last) || first > last {
            return Err("may have a-z, A-Z, 0-9 and parts of these in brackets only".to_owned());
        }
        ranges.push((first, last));
    }
    if ranges.is_empty() { Err("has brackets with nothing in them".to_owned()) } else { Ok(ranges) }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A list of patterns, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Reads a list that says what is in: it needs a pattern that is not negative.
    pub fn including(texts: &[String]) -> Result<Self, String> {
        let patterns = Self::read(texts)?;
        match patterns.0.iter().any(|pattern| !pattern.negative) {
            true => Ok(patterns),
            false => {
                Err("it has only patterns with !, which exclude nothing as long as none includes anything".to_owned())
            }
        }
    }

    /// Reads a list that says what is out.
    pub fn ignoring(texts: &[String]) -> Result<Self, String> {
        Self::read(texts)
    }

    fn read(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|text| Pattern::read(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the last pattern that matches this text is not a negative one.
    pub fn select(&self, text: &str) -> bool {
        self.0.iter().rev().find(|pattern| pattern.matches(text)).is_some_and(|pattern| !pattern.negative)
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(|pattern| pattern.text.as_str()).collect();
        write!(f, "[{}]", texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::read(pattern).unwrap().matches(text)
    }

    #[test]
    fn patterns_match_what_githubs_own_examples_say() {
        for (pattern, texts) in [
            ("feature/*", "feature/my-branch feature/your-branch"),
            ("feature/**", "feature/beta-a/my-branch feature/your-branch feature/mona/the/octocat"),
            ("main", "main"),
            ("*", "main releases"),
            ("**", "all/the/branches every/tag"),
            ("*feature", "mona-feature feature ver-10-feature"),
            ("v2*", "v2 v2.0 v2.9"),
            ("v[12].[0-9]+.[0-9]+", "v1.10.1 v2.0.0"),
            ("*.jsx?", "page.js page.jsx"),
            ("**.js", "index.js js/index.js src/js/app.js"),
            ("docs/*", "docs/README.md docs/file.txt"),
            ("docs/**/*.md", "docs/README.md docs/mona/hello-world.md docs/a/markdown/file.md"),
            ("**/docs/**", "docs/hello.md dir/docs/my-file.txt space/docs/plan/space.doc"),
            ("**/README.md", "README.md js/README.md"),
            ("**/*src/**", "a/src/app.js my-src/code/js/app.js"),
            ("**/*-post.md", "my-post.md path/their-post.md"),
            ("**/migrate-*.sql", "migrate-10909.sql db/migrate-v1.0.sql db/sept/migrate-v1.sql"),
        ] {
            for text in texts.split(' ') {
                assert!(matches(pattern, text), "{pattern} does not match {text}");
            }
        }
    }

    #[test]
    fn patterns_do_not_match_more() {
        for (pattern, texts) in [
            ("*", "a/b"),
            ("staging/*", "staging staging/a/b xstaging/a"),
            ("staging/**", "staging xstaging/a production/staging/a"),
            ("docs/*", "docs/a/b.md docs"),
            ("v[12].[0-9]+.[0-9]+", "v3.1.1 v1.1 v1x1x1 v1..1"),
            ("*.jsx?", "page.jsxx a/page.js"),
            ("**/README.md", "my-README.md js/my-README.md"),
            ("a+b", "b ab.. a+b"),
        ] {
            for text in texts.split(' ') {
                assert!(!matches(pattern, text), "{pattern} matches {text}");
            }
        }
        assert!(matches(r"a\+b\[1\]", "a+b[1]") && !matches(r"a\+b", "aab"));
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let list = |texts: &str| Patterns::including(&texts.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap();
        let releases = list("releases/** !releases/**-alpha");
        assert!(releases.select("releases/10") && !releases.select("releases/beta/3-alpha"));
        let readme = list("*.md !README.md README*");
        assert!(["hello.md", "README.md", "README.doc"].iter().all(|text| readme.select(text)));
        assert!(!list("*.md !README.md").select("docs/hello.md"));
        assert_eq!(releases.to_string(), "[releases/**, !releases/**-alpha]");
    }

    #[test]
    fn a_long_name_takes_no_time_that_grows_with_its_power() {
        let pattern = Pattern::read(&"**a*".repeat(40)).unwrap();
        assert!(!pattern.matches(&"a/".repeat(2000).replace('a', "b")));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let told = |text: &str| Pattern::read(text).unwrap_err();
        assert_eq!(told("+a"), r#"the pattern "+a" has a + with no character before it"#);
        assert_eq!(told("a*?"), r#"the pattern "a*?" has a ? with no character before it"#);
        assert_eq!(told("[_]"), r#"the pattern "[_]" may have a-z, A-Z, 0-9 and parts of these in brackets only"#);
        assert_eq!(told("!"), r#"the pattern "!" is empty"#);
        assert!(Patterns::including(&["!main".to_owned()]).is_err());
    }
}
