//! Words into lines of a given width: labels, hanging indents, colour where it is wanted; or the same words as Markdown.
//!
//! Prose wraps between words. A piece of evidence is one word, whatever blanks it holds: it is never broken and never
//! cut, so that it can be searched for and copied whole; when it is wider than the line, the terminal wraps it.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

use super::super::{escape, rows};
use super::markdown;

pub(super) const PLAIN: Style = Style::new();
pub(super) const STRONG: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const GRAVE: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(super) const ODD: Style = AnsiColor::Magenta.on_default();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();

/// Words and pieces of evidence, to be set into lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Phrase(Vec<Piece>);

#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) style: Style,
    /// Stands for itself and is no prose: evidence, a name, a time.
    pub(super) whole: bool,
    /// Sticks to the piece before it.
    pub(super) glued: bool,
}

impl Phrase {
    /// Words, which may stand on different lines.
    pub(super) fn words(text: &str) -> Self {
        Self::default().and(text)
    }

    /// Adds words.
    pub(super) fn and(self, text: &str) -> Self {
        self.and_styled(PLAIN, text)
    }

    /// Adds words in a style.
    pub(super) fn and_styled(mut self, style: Style, text: &str) -> Self {
        let words = text.split(' ').filter(|word| !word.is_empty());
        self.0.extend(words.map(|word| Piece { text: word.to_owned(), style, whole: false, glued: false }));
        self
    }

    /// Adds text that stays in one piece.
    pub(super) fn and_whole(self, text: impl Into<String>) -> Self {
        self.and_whole_styled(PLAIN, text)
    }

    /// Adds text that stays in one piece, in a style.
    pub(super) fn and_whole_styled(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push(Piece { text: text.into(), style, whole: true, glued: false });
        self
    }

    /// Adds text that stays in one piece right behind the last piece, in a style.
    pub(super) fn and_whole_glued_styled(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push(Piece { text: text.into(), style, whole: true, glued: true });
        self
    }

    /// Adds text right behind the last piece.
    pub(super) fn and_glued(self, text: &str) -> Self {
        self.and_glued_styled(PLAIN, text)
    }

    /// Adds text right behind the last piece, in a style.
    pub(super) fn and_glued_styled(mut self, style: Style, text: &str) -> Self {
        self.0.push(Piece { text: text.to_owned(), style, whole: false, glued: true });
        self
    }

    /// Its pieces.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds another phrase.
    pub(super) fn and_phrase(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// What stands before the first line of a phrase.
#[derive(Clone, Copy)]
pub(super) struct Label<'a> {
    /// The column it begins at.
    pub(super) at: usize,
    pub(super) text: &'a str,
    style: Style,
}

impl<'a> Label<'a> {
    pub(super) fn new(at: usize, text: &'a str) -> Self {
        Self { at, text, style: FAINT }
    }

    pub(super) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    fn none() -> Self {
        Self { at: 0, text: "", style: PLAIN }
    }
}

/// Where lines go.
pub(super) struct Page<'o, W: Write> {
    out: &'o mut W,
    form: Form,
}

/// What lines are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Lists, headings and tables of Markdown; `blank` is whether the last line was empty.
    Markdown { blank: bool },
    /// Lines as a terminal shows them.
    Terminal { width: usize, color: bool },
}

impl<'o, W: Write> Page<'o, W> {
    pub(super) fn new(out: &'o mut W, form: Form) -> Self {
        Self { out, form }
    }

    /// Items that each begin with a heading, each laid out on a page of its own.
    pub(super) fn items<T: Sync>(
        &mut self,
        items: &[T],
        lay: impl Fn(&T, &mut Page<'_, Vec<u8>>) -> io::Result<()> + Sync,
    ) -> io::Result<()>
    where
        W: Send,
    {
        let Some((last, others)) = items.split_last() else { return Ok(()) };
        // Space before a heading is made behind what stands before it: then an item needs not know what that is.
        self.gap()?;
        let form = self.form;
        rows::write(others, rows::LARGE, self.out, |item, _, out| {
            let mut text = Vec::new();
            let mut page = Page::new(&mut text, form);
            lay(item, &mut page)?;
            page.gap()?;
            out.write_all(&text)
        })?;
        let mut text = Vec::new();
        let mut page = Page::new(&mut text, form);
        lay(last, &mut page)?;
        self.form = page.form;
        self.out.write_all(&text)
    }

    /// The space that a heading of Markdown needs before it.
    fn gap(&mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Markdown { blank } => markdown::gap(self.out, blank),
            Form::Terminal { .. } => Ok(()),
        }
    }

    /// An empty line.
    pub(super) fn blank(&mut self) -> io::Result<()> {
        match &mut self.form {
            // Space between blocks is made by those that need it.
            Form::Markdown { .. } => Ok(()),
            Form::Terminal { .. } => self.out.write_all(b"\n"),
        }
    }

    /// The title of the whole.
    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        match &mut self.form {
            Form::Markdown { blank } => markdown::heading(self.out, blank, 1, text),
            Form::Terminal { .. } => self.indented(0, &Phrase::default().and_styled(STRONG, text)),
        }
    }

    /// A heading, after an empty line.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        match &mut self.form {
            Form::Markdown { blank } => markdown::heading(self.out, blank, 2, text),
            Form::Terminal { .. } => {
                self.blank()?;
                self.painted(STRONG, text)?;
                self.blank()
            }
        }
    }

    /// A heading of one item of a list: its mark, and a phrase at column `indent`.
    pub(super) fn subheading(&mut self, mark: &str, indent: usize, phrase: &Phrase) -> io::Result<()> {
        match &mut self.form {
            Form::Markdown { blank } => {
                let text = format!("{mark} {}", markdown::inline(phrase));
                markdown::heading(self.out, blank, 3, text.trim_start_matches("- "))
            }
            Form::Terminal { .. } => {
                self.hanging(Label::new(0, mark), if mark.is_empty() { 0 } else { indent }, phrase)
            }
        }
    }

    /// A phrase that several rows of its kind may follow, each at column `indent`; the first holds their label too.
    pub(super) fn grouped(&mut self, label: Label<'_>, indent: usize, phrase: &Phrase) -> io::Result<()> {
        if matches!(self.form, Form::Markdown { .. }) && !label.text.is_empty() {
            self.hanging(label, indent, &Phrase::default())?;
            return self.indented(indent, phrase);
        }
        self.hanging(label, indent, phrase)
    }

    /// A phrase that begins at column `indent` on every line.
    pub(super) fn indented(&mut self, indent: usize, phrase: &Phrase) -> io::Result<()> {
        self.hanging(Label::none(), indent, phrase)
    }

    /// A phrase that begins at column `indent` on every line; the first holds a label too.
    pub(super) fn hanging(&mut self, label: Label<'_>, indent: usize, phrase: &Phrase) -> io::Result<()> {
        let line = match &mut self.form {
            Form::Markdown { blank } => return markdown::item(self.out, blank, label, indent, phrase),
            Form::Terminal { width, .. } => *width,
        };
        self.space(label.at)?;
        self.painted(label.style, label.text)?;
        let mut column = label.at + cells(label.text);
        if column >= indent && !label.text.is_empty() {
            // The label leaves no room: what it labels begins below it.
            self.blank()?;
            column = 0;
        }
        self.space(indent.saturating_sub(column))?;
        column = indent;
        let mut pieces = phrase.0.as_slice();
        while let Some((first, rest)) = pieces.split_first() {
            let glued = rest.iter().take_while(|piece| piece.glued).count();
            let (word, rest) = pieces.split_at(1 + glued);
            pieces = rest;
            let width: usize = word.iter().map(|piece| cells(&piece.text)).sum();
            if column > indent {
                if column + 1 + width > line {
                    self.blank()?;
                    self.space(indent)?;
                    column = indent;
                } else if !first.glued {
                    self.space(1)?;
                    column += 1;
                }
            }
            for piece in word {
                self.painted(piece.style, &piece.text)?;
            }
            column += width;
        }
        self.blank()
    }

    /// Rows under a head: columns as wide as they need, each aligned to the `l`eft or the `r`ight.
    pub(super) fn table(&mut self, indent: usize, alignment: &str, rows: &[Vec<String>]) -> io::Result<()> {
        if let Form::Markdown { blank } = &mut self.form {
            return markdown::table(self.out, blank, alignment, rows);
        }
        let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let columns: Vec<_> =
            alignment.bytes().enumerate().map(|(column, side)| (side, widest(column).unwrap_or(0))).collect();
        for (number, row) in rows.iter().enumerate() {
            self.space(indent)?;
            let style = if number == 0 { FAINT } else { PLAIN };
            for (column, (cell, (side, width))) in row.iter().zip(&columns).enumerate() {
                let padding = width - cell.width();
                self.space(if column > 0 { 2 } else { 0 })?;
                self.space(if *side == b'r' { padding } else { 0 })?;
                self.painted(style, cell)?;
                self.space(if *side == b'l' && column + 1 < row.len() { padding } else { 0 })?;
            }
            self.blank()?;
        }
        Ok(())
    }

    /// A line as it is, in pieces of a style each.
    pub(super) fn line(&mut self, pieces: &[(Style, String)]) -> io::Result<()> {
        let end = pieces.iter().rposition(|(_, text)| !text.trim_end().is_empty()).map_or(0, |last| last + 1);
        for (place, (style, text)) in pieces.iter().take(end).enumerate() {
            self.painted(*style, if place + 1 == end { text.trim_end() } else { text })?;
        }
        self.out.write_all(b"\n")
    }

    /// Columns to lay out for.
    pub(super) fn width(&self) -> usize {
        match self.form {
            Form::Markdown { .. } => usize::MAX,
            Form::Terminal { width, .. } => width,
        }
    }

    fn painted(&mut self, style: Style, text: &str) -> io::Result<()> {
        if matches!(self.form, Form::Terminal { color: true, .. }) && style != PLAIN && !text.is_empty() {
            write!(self.out, "{style}{text}{style:#}")
        } else {
            self.out.write_all(text.as_bytes())
        }
    }

    fn space(&mut self, count: usize) -> io::Result<()> {
        const BLANKS: &[u8] = b"                                        ";
        match BLANKS.get(..count) {
            Some(blanks) => self.out.write_all(blanks),
            None => write!(self.out, "{:count$}", ""),
        }
    }
}

/// How many cells a text takes.
fn cells(text: &str) -> usize {
    if escape::is_plain(text.as_bytes()) { text.len() } else { text.width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(width: usize, color: bool, lay: impl FnOnce(&mut Page<'_, Vec<u8>>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        lay(&mut Page::new(&mut out, Form::Terminal { width, color })).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn prose_wraps_between_words_under_itself() {
        let phrase = Phrase::words("one two three four").and_glued(",").and("five");
        let lines = set(16, false, |page| page.hanging(Label::new(2, "Label"), 8, &phrase));
        assert_eq!(lines, "  Label one two\n        three\n        four,\n        five\n");
    }

    #[test]
    fn evidence_is_never_broken_even_when_it_is_wider_than_the_line() {
        let phrase = Phrase::words("id").and_whole("a b c d e f g h i j").and("end");
        let lines = set(12, false, |page| page.indented(2, &phrase));
        assert_eq!(lines, "  id\n  a b c d e f g h i j\n  end\n");
    }

    #[test]
    fn width_is_counted_in_cells() {
        let phrase = Phrase::words("客户 ab");
        assert_eq!(set(7, false, |page| page.indented(0, &phrase)), "客户 ab\n");
        assert_eq!(set(6, false, |page| page.indented(0, &phrase)), "客户\nab\n");
    }

    #[test]
    fn colour_is_put_around_words_only_when_wanted() {
        let phrase = Phrase::default().and_styled(GRAVE, "bad").and("plain");
        assert_eq!(set(80, false, |page| page.indented(1, &phrase)), " bad plain\n");
        assert_eq!(set(80, true, |page| page.indented(1, &phrase)), " \x1b[1m\x1b[31mbad\x1b[0m plain\n");
    }

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [["a", "n"], ["bb", "10"], ["ccc", "1"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(set(80, false, |page| page.table(1, "lr", &rows)), " a     n\n bb   10\n ccc   1\n");
    }
}
