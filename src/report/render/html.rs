//! For a browser: one file, no script, nothing loaded.

use std::fmt::Write as _;

use super::chart;
use super::view::{Table, View};
use crate::report::Status;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:1000px;margin:0 auto;padding:16px}
h1{font-size:20px;margin:0}h2{font-size:16px;margin:24px 0 8px}
.verdict{border-left:6px solid #57606a;background:#f6f8fa;padding:12px 16px;margin:0 0 16px}
.verdict p{margin:4px 0 0;font-size:17px}
.pass{border-color:#1a7f37}.warn{border-color:#bf8700}.fail{border-color:#cf222e}.inconclusive{border-color:#8250df}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}dt{color:#57606a}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;min-width:60%}
th,td{padding:4px 12px 4px 0;border-bottom:1px solid #d0d7de;text-align:right;white-space:nowrap}
th{color:#57606a;font-weight:600}.text{text-align:left;white-space:normal}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:16px}
figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}svg text{font-size:12px;fill:#57606a}
.grid{stroke:#d8dee4}line.level{stroke:#1b1f24;stroke-dasharray:5 4}polyline{fill:none;stroke-width:2}
.legend{margin:0;font-size:13px}.legend span{margin-right:12px}
.legend i{display:inline-block;width:14px;height:3px;margin-right:5px;vertical-align:middle;background:#1b1f24}
details{margin-top:24px}code{font-size:12px;overflow-wrap:anywhere}
";

pub(super) fn render(view: &View) -> String {
    let title = escape(&format!("{}: {}", view.word(), view.title));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        body(view)
    )
}

/// The verdict first, and all that stands behind it; then, of a run with several applications, each of them.
fn body(view: &View) -> String {
    let class = view.status.map_or("", Status::as_str);
    let title = escape(&format!("{}: {}", view.word(), view.title));
    let mut out =
        format!("<div class=\"verdict {class}\"><h1>{title}</h1><p>{}</p></div>\n<dl>\n", escape(&view.cause));
    for (name, value) in &view.facts {
        _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    }
    out.push_str("</dl>\n");
    for part in &view.tables {
        _ = write!(out, "<h2>{}</h2>\n{}", part.title, table(part));
    }
    if !view.notes.is_empty() {
        out.push_str("<h2>To look at</h2>\n<ul>\n");
        for note in &view.notes {
            _ = writeln!(out, "<li>{}</li>", escape(note));
        }
        out.push_str("</ul>\n");
    }
    if !view.charts.is_empty() {
        out.push_str("<h2>Over the window</h2>\n<div class=\"charts\">\n");
        for one in &view.charts {
            let caption = escape(&format!("{}, {}", one.title, one.unit));
            _ = write!(out, "<figure><figcaption>{caption}</figcaption>\n{}</figure>\n", chart::svg(one));
        }
        out.push_str("</div>\n");
    }
    if !view.queries.is_empty() {
        out.push_str("<details><summary>Queries as they were sent</summary>\n<dl>\n");
        for (name, query) in &view.queries {
            _ = writeln!(out, "<dt>{}</dt><dd><code>{}</code></dd>", escape(name), escape(query));
        }
        out.push_str("</dl>\n</details>\n");
    }
    out.extend(view.parts.iter().map(body));
    out
}

fn table(table: &Table) -> String {
    let class = |column: usize| if column < table.text_columns { " class=\"text\"" } else { "" };
    let mut out = String::from("<div class=\"wide\"><table>\n<tr>");
    for (column, name) in table.head.iter().enumerate() {
        _ = write!(out, "<th{}>{}</th>", class(column), escape(name));
    }
    out.push_str("</tr>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            _ = write!(out, "<td{}>{}</td>", class(column), escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out + "</table></div>\n"
}

/// Text of others as text.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}
