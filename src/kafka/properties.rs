//! Property files in Java's own syntax (`java.util.Properties`).

/// A property and the line it begins on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The line.
    pub line: usize,
    /// The key, its escapes resolved.
    pub key: String,
    /// The value, its escapes resolved; white space at its end is kept, as Java does.
    pub value: String,
}

/// The text of a property file. Java reads Latin-1; a file that is UTF-8 is meant as such.
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect())
}

/// Reads properties; an error is the line's number and what is wrong with it, without its value.
pub fn parse(text: &str) -> Result<Vec<Property>, (usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = (1..).zip(text.split('\n'));
    let mut properties = Vec::new();
    while let Some((line, natural)) = lines.next() {
        let natural = natural.trim_start_matches(is_blank);
        if natural.is_empty() || natural.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = natural.to_owned();
        while goes_on(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(is_blank));
        }
        let (key, value) = halves(&logical);
        let (key, value) = (unescape(key), unescape(value));
        let (Some(key), Some(value)) = (key, value) else {
            return Err((line, "\\u must be followed by four hexadecimal digits".to_owned()));
        };
        properties.push(Property { line, key, value });
    }
    Ok(properties)
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\u{c}')
}

/// A line goes on in the next one when a backslash that is not itself escaped ends it.
fn goes_on(line: &str) -> bool {
    line.chars().rev().take_while(|letter| *letter == '\\').count() % 2 == 1
}

/// The key ends at the first blank, `=` or `:` that is not escaped; one `=` or `:` with blanks around it is passed over.
fn halves(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, letter)| {
        let ends = !escaped && (is_blank(letter) || matches!(letter, '=' | ':'));
        escaped = letter == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

/// Resolves the escapes; none when `\u` is not followed by four digits. Java's characters are UTF-16.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\\' => match letters.next() {
                Some('u') => {
                    let digits: String = letters.by_ref().take(4).collect();
                    let valid = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| valid)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => break,
            },
            letter => letter,
        };
        units.extend_from_slice(letter.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_syntax_is_read_as_java_reads_it() {
        /// Line, key and value.
        type Read = (usize, &'static str, &'static str);
        let cases: [(&str, &[Read]); 14] = [
            ("", &[]),
            ("# a=b\n  ! c=d\n\n \t\na=1", &[(5, "a", "1")]),
            ("a=1\nb:2\nc 3\nd\t=\t4", &[(1, "a", "1"), (2, "b", "2"), (3, "c", "3"), (4, "d", "4")]),
            ("a = = b", &[(1, "a", "= b")]),
            ("a==b", &[(1, "a", "=b")]),
            ("a:=b", &[(1, "a", "=b")]),
            ("sasl.password=a=b#c!", &[(1, "sasl.password", "a=b#c!")]),
            ("alone\nempty=", &[(1, "alone", ""), (2, "empty", "")]),
            ("a=1 \r\nb=2\rc=3", &[(1, "a", "1 "), (2, "b", "2"), (3, "c", "3")]),
            ("a=one\\\n   two\\\n\tthree\nb=2", &[(1, "a", "onetwothree"), (4, "b", "2")]),
            ("a=end\\\\\nb=2\\", &[(1, "a", "end\\"), (2, "b", "2")]),
            ("k\\=e\\:y\\ x=\\tv\\n\\q\\\"", &[(1, "k=e:y x", "\tv\nq\"")]),
            ("a=\\u00fc\\uD83D\\uDE00\u{fc}", &[(1, "a", "\u{fc}\u{1f600}\u{fc}")]),
            ("a=x\\\n# not a comment", &[(1, "a", "x# not a comment")]),
        ];
        for (text, expected) in cases {
            let found = parse(text).unwrap();
            let found: Vec<_> =
                found.iter().map(|found| (found.line, found.key.as_str(), found.value.as_str())).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_escape_is_named_by_its_line_without_the_value() {
        for text in ["a=1\nb=\\u12", "\na=\\uwxyz", "\na=\\u+123"] {
            assert_eq!(parse(text).unwrap_err(), (2, "\\u must be followed by four hexadecimal digits".to_owned()));
        }
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_latin_1() {
        assert_eq!(text(b"a=\xfc".to_vec()), "a=\u{fc}");
        assert_eq!(text("a=\u{fc}".as_bytes().to_vec()), "a=\u{fc}");
    }
}
