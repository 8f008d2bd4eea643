//! Architect flows as Archy exports them: YAML of which four things are read.
//!
//! A line reader for the block style that Archy writes (YAML 1.2 §8): keys by their indentation, list dashes as
//! indentation, block scalars passed over. Reads the flow's kind and name, `suppressRecording` of its own
//! `settingsSpeechRec`, and whether an Enable Participant Recording action occurs anywhere.
//!
//! # Incomplete support
//!
//! Flow style (`{a: b}`), anchors, tags and multi-line plain scalars are not understood: a setting written so is taken as
//! not set.

use crate::evidence::Locus;
use crate::facts::CallFlow;

/// The kinds of flow that Archy knows: the first key of an export.
const KINDS: [&[u8]; 17] = [
    b"bot",
    b"commonModule",
    b"digitalBot",
    b"inboundCall",
    b"inboundChat",
    b"inboundEmail",
    b"inboundShortMessage",
    b"inQueueCall",
    b"inQueueEmail",
    b"inQueueShortMessage",
    b"outboundCall",
    b"secureCall",
    b"surveyInvite",
    b"voiceSurvey",
    b"voicemail",
    b"workItem",
    b"workflow",
];

/// Whether a text begins as a flow does: a kind, and below it a key.
pub(super) fn begins(text: &[u8]) -> bool {
    let mut keys = Keys::of(text);
    let is_kind = |line: &Line<'_>| line.depth == 0 && line.value.is_empty() && KINDS.contains(&line.key);
    keys.next().is_some_and(|line| is_kind(&line)) && keys.next().is_some_and(|line| line.depth == 1)
}

/// Reads the flows of a text, one for each document of it; `locus` gives the place of the nth from 1.
pub(super) fn read(text: &[u8], locus: impl Fn(u64) -> Locus) -> Vec<CallFlow> {
    let mut flows: Vec<CallFlow> = Vec::new();
    for line in Keys::of(text) {
        if line.depth == 0 {
            if KINDS.contains(&line.key) {
                let number = flows.len() as u64 + 1;
                let (inbound, name) = (line.key == b"inboundCall", Box::default());
                flows.push(CallFlow { locus: locus(number), name, inbound, suppresses: None, enables: false });
            }
            continue;
        }
        let Some(flow) = flows.last_mut() else { continue };
        match (line.depth, line.parent, line.key) {
            (1, _, b"name") => flow.name = line.value.into(),
            (2, b"settingsSpeechRec", b"suppressRecording") => flow.suppresses = truth(line.value),
            (3, b"suppressRecording", b"lit") => flow.suppresses = truth(line.value),
            (_, _, b"enableParticipantRecord" | b"actionEnableParticipantRecord") => flow.enables = true,
            _ => {}
        }
    }
    flows
}

fn truth(value: &[u8]) -> Option<bool> {
    match value.to_ascii_lowercase().as_slice() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// A key with what stands beside it.
struct Line<'t> {
    /// Keys above it.
    depth: usize,
    /// The key above it; empty at the top.
    parent: &'t [u8],
    key: &'t [u8],
    value: &'t [u8],
}

/// The keys of a text in block style.
struct Keys<'t> {
    lines: std::slice::Split<'t, u8, fn(&u8) -> bool>,
    /// The keys above, each with its indentation.
    above: Vec<(usize, &'t [u8])>,
    /// The indentation of a key whose block scalar goes on.
    scalar: Option<usize>,
}

impl<'t> Keys<'t> {
    fn of(text: &'t [u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let is_end: fn(&u8) -> bool = |byte| *byte == b'\n';
        Self { lines: text.split(is_end), above: Vec::new(), scalar: None }
    }
}

impl<'t> Iterator for Keys<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        loop {
            let line = self.lines.next()?.trim_ascii_end();
            let mut indent = line.iter().take_while(|byte| **byte == b' ').count();
            let mut rest = line.get(indent..).unwrap_or_default();
            if rest.is_empty() {
                continue;
            }
            if self.scalar.is_some_and(|scalar| indent > scalar) {
                continue;
            }
            self.scalar = None;
            if rest.starts_with(b"#") || rest == b"---" || rest == b"..." {
                continue;
            }
            while let Some(item) = rest.strip_prefix(b"- ") {
                let blanks = item.iter().take_while(|byte| **byte == b' ').count();
                indent += 2 + blanks;
                rest = item.get(blanks..).unwrap_or_default();
            }
            let Some((key, value)) = pair(rest) else { continue };
            while self.above.last().is_some_and(|(above, _)| *above >= indent) {
                self.above.pop();
            }
            let (depth, parent) = (self.above.len(), self.above.last().map_or(b"".as_slice(), |(_, key)| *key));
            // Deeper keys are none that is asked for; the bound keeps a hostile text's memory small.
            if depth < 256 {
                self.above.push((indent, key));
            }
            if matches!(value.first(), Some(b'|' | b'>')) {
                self.scalar = Some(indent);
            }
            return Some(Line { depth, parent, key, value: plain(value) });
        }
    }
}

/// A key and its value. Keys in quotes may hold colons.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let from = match text.first()? {
        quote @ (b'"' | b'\'') => 2 + memchr::memchr(*quote, text.get(1..)?)?,
        _ => 0,
    };
    let colon = (from..text.len())
        .find(|at| text.get(*at) == Some(&b':') && matches!(text.get(at + 1), None | Some(b' ' | b'\t')))?;
    let (key, value) = text.split_at(colon);
    Some((unquoted(key.trim_ascii()), value.get(1..)?.trim_ascii()))
}

/// A value without its comment and quotes.
fn plain(value: &[u8]) -> &[u8] {
    if matches!(value.first(), Some(b'"' | b'\'')) {
        return unquoted(value);
    }
    let comment = memchr::memmem::find(value, b" #").unwrap_or(value.len());
    value.get(..comment).unwrap_or(value).trim_ascii()
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(quote @ (b'"' | b'\'')) => {
            let inner = text.get(1..).unwrap_or_default();
            memchr::memrchr(*quote, inner).map_or(inner, |end| inner.get(..end).unwrap_or_default())
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;

    fn read(text: &str) -> Vec<CallFlow> {
        super::read(text.as_bytes(), |record| Locus { source: SourceId(0), record })
    }

    const FLOW: &str = "inboundCall:\n  name: \"Main: line\"  # the one\n  description: |\n    suppressRecording: true\n    \
                        enableParticipantRecord:\n  division: Home\n  startUpRef: \"/inboundCall/tasks/task[Start_1]\"\n  \
                        settingsSpeechRec:\n    asrEnabledOnFlow: true\n    suppressRecording: false\n  tasks:\n    - task:\n        \
                        name: Start\n        refId: Start_1\n        actions:\n          - playAudio:\n              \
                        name: Ask\n          - enableParticipantRecord:\n              name: Consent given\n        \
                        settingsSpeechRec:\n          suppressRecording: true\n";

    #[test]
    fn a_flow_says_what_it_does_to_recording() {
        assert!(begins(FLOW.as_bytes()));
        let [flow] = read(FLOW).try_into().expect("one flow");
        assert_eq!(&*flow.name, b"Main: line");
        assert_eq!((flow.inbound, flow.suppresses, flow.enables), (true, Some(false), true));
        let without = FLOW.replace("          - enableParticipantRecord:\n", "          - other:\n");
        let suppressing = without.replace("    suppressRecording: false", "    suppressRecording: true");
        let [flow] = read(&suppressing.replace('\n', "\r\n")).try_into().expect("one flow");
        assert_eq!((flow.suppresses, flow.enables), (Some(true), false));
    }

    #[test]
    fn a_setting_may_be_written_as_a_literal_or_be_absent() {
        let of = |setting: &str| read(&format!("inQueueCall:\n  name: q\n{setting}"))[0].clone();
        let literal = of("  settingsSpeechRec:\n    suppressRecording:\n      lit: true\n");
        assert_eq!((literal.suppresses, literal.inbound), (Some(true), false));
        assert_eq!(of("").suppresses, None);
        assert_eq!(of("  settingsSpeechRec:\n    suppressRecording:\n      noValue: true\n").suppresses, None);
    }

    #[test]
    fn documents_of_one_text_are_flows_of_their_own() {
        let flows = read(&format!("---\n{FLOW}---\nbot:\n  name: b\n"));
        assert_eq!(flows.iter().map(|flow| flow.locus.record).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn other_yaml_is_no_flow() {
        for text in ["", "inboundCall:\n", "inboundCall: x\n  name: y\n", "name: x\n", "a:\n  b: c\n", "inboundCall\n"]
        {
            assert!(!begins(text.as_bytes()), "{text}");
        }
        assert!(begins(b"\xef\xbb\xbf# exported\r\n---\r\ninboundCall:\r\n  name: x\r\n"));
    }
}
