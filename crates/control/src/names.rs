//! Which hostnames may be claimed: not those by which the product itself is known, nor what looks like them.

use mezu_model::Hostname;

/// Labels under the base domain that are kept back: for the product, and for what programs ask of a domain unasked.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "auth",
    "autoconfig",
    "autodiscover",
    "console",
    "isatap",
    "localhost",
    "login",
    "mail",
    "mta-sts",
    "wpad",
    "www",
];

/// Why nobody may have a hostname; `None`: it may be had.
#[must_use]
pub fn refusal(host: &Hostname, base: &Hostname) -> Option<String> {
    if host == base {
        return Some(format!("{host} is the base domain itself; take a name under it"));
    }
    if !host.is_under(base) {
        let looks = |text: &str| variants(text).iter().any(|one| variants(base.as_str()).contains(one));
        let parents =
            host.as_str().char_indices().filter(|(_, c)| *c == '.').filter_map(|(at, _)| host.as_str().get(at + 1..));
        return std::iter::once(host.as_str())
            .chain(parents)
            .any(looks)
            .then(|| format!("{host} looks like a name under {base}, and is none; choose another"));
    }
    let below = host.as_str().strip_suffix(base.as_str()).unwrap_or_default().trim_end_matches('.');
    let label = below.rsplit('.').next().unwrap_or_default();
    if label.starts_with("xn--") {
        return Some(format!("{label} stands for letters that may look like others; names under {base} are plain"));
    }
    // A preview's host has it in the first label, however deep the workload's own host is.
    if below.split('.').next().is_some_and(|first| first.contains("--")) || label.contains("--") {
        return Some(format!(
            "two hyphens in a row are kept for previews, such as pr-7--shop.{base}; choose another name"
        ));
    }
    let is_name_server = label.strip_prefix("ns").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if is_name_server || RESERVED.contains(&label) {
        return Some(format!("{label}.{base} is kept back; choose another name"));
    }
    let twin = RESERVED.iter().find(|one| variants(label).iter().any(|text| variants(one).contains(text)));
    twin.map(|twin| format!("{label} looks like {twin}, which is kept back; choose another name"))
}

/// The letters that an eye may take a text for. A 1 is an i or an l.
fn variants(text: &str) -> [String; 2] {
    let plain = text.replace('-', "").replace("rn", "m").replace("vv", "w").replace('0', "o").replace('5', "s");
    [plain.replace('1', "i"), plain.replace('1', "l")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_and_their_twins_are_refused() {
        let base: Hostname = "edge.example".parse().unwrap();
        let is_free = |name: &str| refusal(&name.parse().unwrap(), &base).is_none();
        for name in ["shop.edge.example", "mall.edge.example", "ns-records.edge.example", "a.shop.edge.example"] {
            assert!(is_free(name), "{name}");
        }
        for name in ["example.com", "api.example.com", "xn--mnchen-3ya.de", "notedge.example", "edge.example.com"] {
            assert!(is_free(name), "{name}");
        }
        for label in ["api", "www", "ns", "ns1", "ns23", "adm1n", "adrnin", "c0nsole", "vvww", "a-p-i", "mai1"] {
            assert!(!is_free(&format!("{label}.edge.example")), "{label}");
            assert!(!is_free(&format!("x.{label}.edge.example")), "x.{label}");
        }
        for name in [
            "edge.example",
            "xn--80ak6aa92e.edge.example",
            "pr-7--shop.edge.example",
            "pr-7--a.shop.edge.example",
            "shop.ed-ge.example",
            "ed-ge.example",
        ] {
            assert!(!is_free(name), "{name}");
        }
    }
}
