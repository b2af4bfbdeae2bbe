//! Requests that two parsers could read differently (RFC 9112 §6.3, §11.2). The edge must refuse each and close, and the
//! workload must see nothing of it.

/// One such request. `HOST` in its bytes stands for the target's name.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub bytes: &'static str,
}

impl Case {
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        self.bytes.replace("HOST", host).into_bytes()
    }
}

const fn case(name: &'static str, bytes: &'static str) -> Case {
    Case { name, bytes }
}

pub const CASES: &[Case] = &[
    case(
        "length and chunked",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "chunked and length",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    ),
    case(
        "two lengths that differ",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    ),
    case(
        "two lengths that agree",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    ),
    case("a list of lengths", "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4, 4\r\n\r\nabcd"),
    case("a signed length", "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: +4\r\n\r\nabcd"),
    case("a negative length", "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: -4\r\n\r\nabcd"),
    case("a hexadecimal length", "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x4\r\n\r\nabcd"),
    case("an empty length", "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: \r\n\r\nabcd"),
    case(
        "a length too long for a number",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999999\r\n\r\nabcd",
    ),
    case("a length with a blank inside", "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4 4\r\n\r\nabcd"),
    case("an unknown coding", "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    case("identity", "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: identity\r\n\r\n"),
    case("chunked not last", "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    case("gzip, chunked", "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    case(
        "chunked twice",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "chunked with a vertical tab",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    case("quoted chunked", "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    case("blank before the colon", "POST /s HTTP/1.1\r\nHost: HOST\r\nContent-Length : 4\r\n\r\nabcd"),
    case("tab before the colon", "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    case("a folded line", "POST /s HTTP/1.1\r\nHost: HOST\r\nX-Fold: a\r\n b\r\n\r\n"),
    case("a folded coding", "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    case("a first line that is folded", "GET /s HTTP/1.1\r\n Host: HOST\r\n\r\n"),
    case("bare line feeds", "GET /s HTTP/1.1\nHost: HOST\n\n"),
    case("one bare line feed", "GET /s HTTP/1.1\r\nHost: HOST\r\nX-A: b\nX-C: d\r\n\r\n"),
    case("a bare carriage return", "GET /s HTTP/1.1\r\nHost: HOST\r\nX-A: b\rX-C: d\r\n\r\n"),
    case("a NUL in a value", "GET /s HTTP/1.1\r\nHost: HOST\r\nX-A: b\0c\r\n\r\n"),
    case("an underscore in a name", "GET /s HTTP/1.1\r\nHost: HOST\r\nX_Mezu_User: root\r\n\r\n"),
    case("a name with a blank", "GET /s HTTP/1.1\r\nHost: HOST\r\nX A: b\r\n\r\n"),
    case("an empty name", "GET /s HTTP/1.1\r\nHost: HOST\r\n: b\r\n\r\n"),
    case("a line without a colon", "GET /s HTTP/1.1\r\nHost: HOST\r\nnonsense\r\n\r\n"),
    case("no host", "GET /s HTTP/1.1\r\nX-A: b\r\n\r\n"),
    case("two hosts", "GET /s HTTP/1.1\r\nHost: HOST\r\nHost: other.example\r\n\r\n"),
    case("two equal hosts", "GET /s HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n"),
    case("a host with a path", "GET /s HTTP/1.1\r\nHost: HOST/x\r\n\r\n"),
    case("a host with user info", "GET /s HTTP/1.1\r\nHost: a@HOST\r\n\r\n"),
    case("a blank in the target", "GET /s t HTTP/1.1\r\nHost: HOST\r\n\r\n"),
    case("a version of another protocol", "GET /s HTTP/3.0\r\nHost: HOST\r\n\r\n"),
    case("no version", "GET /s\r\nHost: HOST\r\n\r\n"),
    case("a version with more digits", "GET /s HTTP/1.10\r\nHost: HOST\r\n\r\n"),
    case("chunked in HTTP/1.0", "POST /s HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    case(
        "a chunk size that is no number",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
    ),
    case(
        "a chunk size with a sign",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    ),
    case(
        "a chunk size with 0x",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    ),
    case(
        "a chunk longer than its size",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    ),
    case(
        "a chunk ended by a bare line feed",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    ),
    case(
        "a chunk size that overflows",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n",
    ),
    case(
        "a bare line feed in an extension",
        "POST /s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
        assert!(CASES.len() >= 40);
    }
}
