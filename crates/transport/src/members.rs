//! Deserializes members that a server may get wrong, so that only the invalid member is lost. They are read from JSON
//! text, not from a value that was parsed already.

use std::collections::BTreeMap;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// A count; `None` where it is not a whole number from zero on that fits. `5.0` is 5: some servers count in
/// floating point.
fn whole(raw: &str) -> Option<u64> {
    serde_json::from_str(raw).ok().or_else(|| {
        let number: f64 = serde_json::from_str(raw).ok()?;
        (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
    })
}

/// The members of an object of which a server may get any wrong: an invalid one is as one that is absent.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(transparent)]
pub struct Members(BTreeMap<String, Box<RawValue>>);

impl Members {
    /// The members of an object; none where the text is no object.
    pub fn of(object: Option<&RawValue>) -> Self {
        let read = object.and_then(|object| serde_json::from_str(object.get()).ok());
        read.unwrap_or_default()
    }

    pub fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(AsRef::as_ref)
    }

    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// The members of an object in this one.
    #[must_use]
    pub fn object(&self, name: &str) -> Self {
        Self::of(self.raw(name))
    }

    /// A count; `None` where it is not a whole number from zero on.
    pub fn count(&self, name: &str) -> Option<u64> {
        whole(self.raw(name)?.get())
    }

    /// As [`count`](Self::count), but an impossible count is `u64::MAX`, for [`Exchange`] to drop it and say so.
    ///
    /// [`Exchange`]: domain::backend::Exchange::drop_impossible_counts
    pub fn missed_count(&self, name: &str) -> Option<u64> {
        let raw = self.raw(name)?.get();
        whole(raw).or((raw != "null").then_some(u64::MAX))
    }
}

/// A list without its invalid items.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let items = Vec::<&'de RawValue>::deserialize(deserializer)?;
    Ok(items
        .into_iter()
        .filter_map(|item| serde_json::from_str(item.get()).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_member_costs_itself_alone() {
        for (n, expected) in [
            ("7", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("5.0", Some(5)),
            ("18446744073709551616", None),
            ("-35", None),
            ("1.5", None),
            ("1e999", None),
            ("{}", None),
            ("\"7\"", None),
            ("null", None),
        ] {
            let json = format!(r#"{{"text":{n},"names":{n},"last":1}}"#);
            let members: Members = serde_json::from_str(&json).unwrap();
            assert_eq!(members.count("text"), expected, "{n}");
            let missed = expected.or((n != "null").then_some(u64::MAX));
            assert_eq!(members.missed_count("text"), missed, "{n}");
            assert_eq!(members.count("absent"), None);
            let text = (n == "\"7\"").then(|| "7".to_owned());
            assert_eq!(members.get::<String>("text"), text, "{n}");
            assert_eq!(members.get::<Vec<String>>("names"), None, "{n}");
            // Members after an invalid one are read.
            assert_eq!(members.get::<u8>("last"), Some(1), "{n}");
        }
        let mut items = serde_json::Deserializer::from_str(r#"["a",1,null,"b"]"#);
        assert_eq!(list::<_, String>(&mut items).unwrap(), ["a", "b"]);
        let mut no_list = serde_json::Deserializer::from_str("7");
        list::<_, String>(&mut no_list).unwrap_err();
    }
}
