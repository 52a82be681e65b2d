//! Turns what the oracle says of a call into text and back: the explanation, the C programs, and the oracle with one rule taken
//! out, each held against the verdict.

use std::fmt::Debug;

use scmsg::Errno;
use scmsg::oracle::{
    Answer, Explain, Outcome, ReceiveReproducer, Reproducer, Rule, Rules, Send, Side, Verdict, receive, send,
};
use scmsg::oracle::{Packet, Queue, Receive};

/// Rules that decide nothing by themselves, but what another one sees.
const SHAPES: [Rule; 8] = [
    Rule::HeaderRoom,
    Rule::ItemAlign,
    Rule::CompatTail,
    Rule::RightsFloor,
    Rule::ForeignLevel,
    Rule::CredentialsLast,
    Rule::PacketsFirst,
    Rule::LookupLast,
];

/// A verdict is the work of the rule it names: without that rule it is another, and without any other rule the same.
pub fn decided(call: &Send<'_>) -> Verdict {
    let verdict = send(call);
    for rule in Rule::ALL.iter().copied().filter(|rule| rule.side() == Side::Send && !SHAPES.contains(rule)) {
        let broken = Send { rules: Rules::without(rule), ..*call };
        let without = send(&broken);
        if verdict.rule == Some(rule) {
            assert_ne!(without.rule, verdict.rule, "{rule} decides although it is taken out: {call:?}");
            let text = Explain::sent(&broken).to_string();
            assert!(text.ends_with(&format!("\nwithout rule {rule}: this oracle is wrong on purpose")), "{text}");
        } else {
            assert_eq!(without, verdict, "{rule} did not decide: {call:?}");
        }
        assert_eq!(Rule::from_name(rule.name()), Some(rule));
    }
    verdict
}

/// Control bytes that are printed: more take long and say no more.
const MOST: usize = 512;

/// The program of a send has the call in it: the control bytes one by one, what is expected, and the explanation.
pub fn sent(call: &Send<'_>) {
    if call.control.readable.is_some_and(|bytes| bytes.len() > MOST) {
        return;
    }
    let (verdict, text) = (send(call), Reproducer::new(call).to_string());
    assert!(text.starts_with("// One sendmsg(2)") && text.ends_with("}\n"), "{text}");
    let said = Explain::sent(call).to_string();
    let (comment, _) = text.split_once("\n\n").expect("a comment");
    assert!(comment.ends_with(&said.replace('\n', "\n// ")), "{said} is not in\n{text}");
    let (what, bytes, descriptors, errno) = match verdict.outcome {
        Outcome::Sent { bytes, descriptors, .. } => ("SENT", bytes, descriptors, None),
        Outcome::Dropped { .. } => ("DROPPED", 0, 0, None),
        Outcome::Failed(errno) => ("FAILS", 0, 0, Some(errno)),
    };
    assert_eq!(define(&text, "WANT"), what);
    assert_eq!(define(&text, "WANT_BYTES"), bytes.to_string());
    assert_eq!(define(&text, "WANT_DESCRIPTORS"), descriptors.to_string());
    assert_eq!(define(&text, "WANT_ERRNO"), symbol(errno));
    assert_eq!(define(&text, "PENDING"), symbol(call.pending));
    assert_eq!(define(&text, "CONTROL_LEN"), format!("{}ull", call.control.len));
    assert_eq!(array(&text, "control"), call.control.readable.unwrap_or_default());
    shown(call, &[&call.layout, &call.socket, &call.control, &call.name, &call.connection, &call.rules]);
}

/// The program of a receive has the case in it: the control bytes before and after, the queue, and what is expected. The
/// queue and the control bytes the case ends with are those of the oracle, asked again.
pub fn received(case: &ReceiveReproducer<'_>) {
    if case.after.len() <= MOST {
        printed(case);
    }
    let call = case.call;
    shown(call, &[&call.layout, &call.carrier, &call.control, &call.options, &call.rules]);

    let (mut packets, mut out): (Vec<Packet<'_>>, _) = (case.packets.to_vec(), case.before.to_vec());
    let (ended, error, overcount) = (case.ended, case.error, case.overcount);
    let mut queue = Queue { packets: &mut packets, ended, error, overcount };
    assert_eq!(receive(call, &mut queue, &mut out), case.receipt);
    assert_eq!(out, case.after);
    truncated(call, case);
}

/// The text.
fn printed(case: &ReceiveReproducer<'_>) {
    let text = case.to_string();
    assert!(text.starts_with("// One recvmsg(2)") && text.ends_with("}\n"), "{text}");
    let (bytes, len, errno) = match case.receipt.answer {
        Answer::Received { bytes, controllen, .. } => (bytes, controllen, None),
        Answer::Refused { errno, rule } => {
            assert!(text.contains(&format!("// rule {rule}: ")), "{text}");
            (0, 0, Some(errno))
        }
        Answer::Waits => (0, 0, None),
    };
    assert_eq!(define(&text, "WANT_BYTES"), bytes.to_string());
    assert_eq!(define(&text, "WANT_CONTROL_LEN"), format!("{len}ul"));
    assert_eq!(define(&text, "WANT_ERRNO"), symbol(errno));
    assert_eq!(array(&text, "before"), case.before);
    assert_eq!(array(&text, "after"), case.after);
}

/// With room for everything and a number for every descriptor nothing is truncated; and no rule says so where no flag does.
fn truncated(call: &Receive<'_>, case: &ReceiveReproducer<'_>) {
    if let Answer::Received { flags, .. } = case.receipt.answer {
        assert_eq!(flags & libc::MSG_CTRUNC as u32 != 0, case.receipt.truncated.is_some(), "{:?}", case.receipt);
        let roomy = Receive { control: Some(4096), free: &|k| i32::try_from(k).ok(), ..*call };
        let (mut packets, mut out) = (case.packets.to_vec(), vec![0; 4096]);
        let (ended, error, overcount) = (case.ended, case.error, case.overcount);
        let mut queue = Queue { packets: &mut packets, ended, error, overcount };
        let receipt = receive(&roomy, &mut queue, &mut out);
        assert_eq!(receipt.truncated, None, "{roomy:?} {receipt:?}");
    }
}

/// Whether every field is in the `Debug` form, for a mismatch that is only printed.
fn shown(call: &dyn Debug, fields: &[&dyn Debug]) {
    let text = format!("{call:?}");
    fields.iter().for_each(|field| assert!(text.contains(&format!("{field:?}")), "{field:?} is not in {text}"));
}

fn symbol(errno: Option<Errno>) -> String {
    errno.map_or("0".into(), |errno| errno.name().map_or_else(|| errno.raw().to_string(), str::to_string))
}

/// The value of a constant of C, which is defined once.
fn define<'a>(text: &'a str, name: &str) -> &'a str {
    let start = format!("#define {name} ");
    let mut values = text.lines().filter_map(|line| line.strip_prefix(&start));
    let value = values.next().unwrap_or_else(|| panic!("no {name} in\n{text}"));
    assert_eq!(values.next(), None, "{name} is defined twice");
    value
}

/// The bytes of a constant array of C.
fn array(text: &str, name: &str) -> Vec<u8> {
    let start = format!("static const unsigned char {name}[");
    let (_, rest) = text.split_once(&start).unwrap_or_else(|| panic!("no {name} in\n{text}"));
    let (room, rest) = rest.split_once("] = {").expect("a size");
    let (list, _) = rest.split_once("};").expect("an end");
    let bytes = list.split(',').map(str::trim).filter(|byte| !byte.is_empty());
    let bytes: Vec<u8> = bytes.map(|byte| u8::from_str_radix(&byte[2..], 16).expect("0x..")).collect();
    assert_eq!(room.parse(), Ok(bytes.len() + 1), "{name}");
    bytes
}
