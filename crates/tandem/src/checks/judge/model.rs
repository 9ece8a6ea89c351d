//! Findings about the model.

use itertools::Itertools as _;

use super::{Case, Finding, finding};
use crate::checks::memory::size;

pub(super) fn model(Case { report, plan, .. }: Case<'_>) -> Finding {
    let Some(model) = &report.model else {
        let near = nearest(&plan.model, &report.has);
        let has = if report.has.is_empty() {
            "it lists no models".to_owned()
        } else if near.is_empty() {
            format!("it has {}", few(&report.has))
        } else {
            format!("similar names: {}", near.join(", "))
        };
        let pull = format!("`ollama pull {}`, or ", plan.model);
        let fetch = if report.loads_on_demand { &pull } else { "" };
        return finding("model.missing", &[&plan.model, &has, &fetch]);
    };
    let known = |text: &Option<String>| text.clone().filter(|t| t != "unknown");
    let digest = model.digest.as_deref();
    let facts = [
        known(&model.parameter_size),
        known(&model.quantization),
        model.size_bytes.map(size),
        digest.map(|digest| format!("digest {}", short(digest))),
    ];
    let facts = facts.into_iter().flatten().join(", ");
    let is_known = !facts.is_empty();
    let facts = if is_known {
        &facts
    } else {
        "size and quantisation unknown"
    };
    finding("model", &[&model.name, &facts])
}

/// Names similar to the given one, the most similar first.
fn nearest<'h>(wanted: &str, has: &'h [String]) -> Vec<&'h str> {
    let base = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    let wanted = wanted.to_ascii_lowercase();
    let likeness = |name: &str| {
        let name = name.to_ascii_lowercase();
        let of = |a: &str, b: &str| similar::TextDiff::from_chars(a, b).ratio();
        of(&wanted, &name).max(of(&base(&wanted), &base(&name)))
    };
    let likeness = has.iter().map(|name| (likeness(name), name.as_str()));
    let mut like: Vec<_> = likeness.filter(|(likeness, _)| *likeness > 0.6).collect();
    like.sort_by(|a, b| b.0.total_cmp(&a.0));
    like.into_iter().take(3).map(|(_, name)| name).collect()
}

fn few(names: &[String]) -> String {
    const MOST_NAMES: usize = 6;
    match names.get(MOST_NAMES..) {
        None | Some([]) => names.join(", "),
        Some(more) => format!("{} and {} more", names[..MOST_NAMES].join(", "), more.len()),
    }
}

fn short(digest: &str) -> &str {
    let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
    digest.get(..12).unwrap_or(digest)
}
