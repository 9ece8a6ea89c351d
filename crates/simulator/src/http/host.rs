//! Which `Host` headers a server bound to loopback accepts (those that cannot belong to a web site),
//! and from which pages it accepts a browser's requests.

use std::net::IpAddr;

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    }
}

pub(crate) fn allowed(header: &str) -> bool {
    let host = if let Some(rest) = header.strip_prefix('[') {
        rest.split(']').next().unwrap_or_default()
    } else if header.matches(':').count() == 1 {
        header.split(':').next().unwrap_or_default()
    } else {
        header
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return is_private(ip);
    }
    let host = host.to_ascii_lowercase();
    host.is_empty()
        || host == "localhost"
        || [".localhost", ".local", ".internal"]
            .iter()
            .any(|end| host.ends_with(end))
        || own_name().is_some_and(|own| own == host)
}

/// Schemes of programs on the user's own machine, as Ollama has them.
const OWN_SCHEMES: [&str; 5] = ["app", "file", "tauri", "vscode-file", "vscode-webview"];

/// False for requests of other sites' pages, which browsers mark by `Origin` or `Sec-Fetch-Site`. A
/// page may post `text/plain` without a preflight request, so the browser's own check is too late.
pub(crate) fn origin_allowed(origin: &str, fetch_site: &str, host: &str) -> bool {
    if origin.is_empty() {
        return fetch_site != "cross-site";
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let name = authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name);
    OWN_SCHEMES.contains(&scheme)
        || authority == host
        || ["localhost", "127.0.0.1", "0.0.0.0"].contains(&name)
}

fn own_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{allowed, origin_allowed};

    #[test]
    fn only_programs_and_pages_of_this_machine_may_ask() {
        let own = "http://127.0.0.1:11434 http://localhost https://localhost:3000 http://box.lan:11434 \
                   http://0.0.0.0 app://obsidian.md file:// tauri://localhost vscode-webview://x";
        let others = "https://example.com null http://localhost.example.com chrome-extension://x";
        let own = own.split(' ').map(|origin| (origin, "cross-site", true));
        let others = others.split(' ').map(|origin| (origin, "same-site", false));
        let sites = ["", "none", "same-origin", "same-site"].map(|site| ("", site, true));
        let all = own
            .chain(others)
            .chain(sites)
            .chain([("", "cross-site", false)]);
        for (origin, site, expected) in all {
            let found = origin_allowed(origin, site, "box.lan:11434");
            assert_eq!(found, expected, "{origin} {site}");
        }
    }

    #[test]
    fn only_names_that_stay_at_home_pass() {
        let stay = "127.0.0.1:11434 localhost LOCALHOST:1 [::1]:80 ::1 10.1.2.3 192.168.0.9:1 \
                    my.local x.internal:9 a.localhost";
        let leave = "example.com 8.8.8.8 localhost.example.com:80 evil.localx";
        let stay = stay.split(' ').chain([""]).map(|host| (host, true));
        for (host, expected) in stay.chain(leave.split(' ').map(|host| (host, false))) {
            assert_eq!(allowed(host), expected, "{host}");
        }
    }
}
