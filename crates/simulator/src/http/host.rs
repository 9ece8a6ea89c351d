//! Which `Host` headers a server bound to loopback accepts: those that cannot belong to a web page
//! somewhere else.

use std::net::IpAddr;

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    }
}

/// True when a `Host` header is acceptable.
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

fn own_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn only_names_that_stay_at_home_pass() {
        let stay = "127.0.0.1:11434 localhost LOCALHOST:1 [::1]:80 ::1 10.1.2.3 192.168.0.9:1 \
                    my.local x.internal:9 a.localhost";
        for host in stay.split(' ').chain([""]) {
            assert!(allowed(host), "{host}");
        }
        for host in "example.com 8.8.8.8 localhost.example.com:80 evil.localx".split(' ') {
            assert!(!allowed(host), "{host}");
        }
    }
}
