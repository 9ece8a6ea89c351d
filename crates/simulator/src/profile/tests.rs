use super::*;

#[test]
fn a_written_profile_reads_back_the_same() {
    for (name, _) in SHIPPED {
        let profile = Profile::builtin(name).expect("ships");
        assert_eq!(profile.name, name);
        assert_eq!(Profile::parse("written", &profile.to_toml()), Ok(profile));
    }
}

#[test]
fn settings_keep_the_digest_that_records_hold() {
    let text = "[[fault]]\nkind = \"stall\"\nrate = 0.25\npause = \"2s\"\nfrom = \"1s\"\n";
    let faults = crate::faults::FaultRules::parse("f.toml", text).expect("valid");
    let digests = SHIPPED.map(|(name, _)| {
        let set = (Profile::builtin(name).expect("ships"), &faults);
        domain::hash::sha256_hex(&serde_json::to_vec(&set).expect("JSON"))
    });
    insta::assert_snapshot!(digests.join("\n"));
}

fn refusal(from: &str, to: &str) -> String {
    let (_, instant) = SHIPPED[1];
    assert!(instant.contains(from), "{from}");
    Profile::parse("my.toml", &instant.replacen(from, to, 1))
        .expect_err("refused")
        .to_string()
}

#[test]
fn refusals_name_the_key_and_the_fix() {
    let changes = [
        ("num_parallel = 4", "num_parallel = 0"),
        ("decode_tps = 1_000_000.0", "decode_tps = 0.0"),
        ("version = \"0.32.10\"", "version = \"new\""),
        ("latency_max_ms = 0.0", "latency_max_ms = -1.0"),
        ("name = \"qwen3:8b\"", "name = \"gemma3:latest\""),
        ("name = \"qwen3:8b\"", "name = \"qwen3\""),
        ("schema = 1", "schema = 2"),
        ("sharing_loss = 0.0", "sharing_loss = -0.5"),
        ("unload_s = 0.0", "unload_s = inf"),
        ("layers = 36", "layers = 0"),
        (
            "recovery_cap_s = 0.0",
            "recovery_cap_s = 0.0\nprompt_cache.slot_similarity = 1.5",
        ),
    ];
    let refusals = changes.map(|(from, to)| format!("{to}\n  {}", refusal(from, to)));
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn an_unknown_key_names_its_line() {
    let message = refusal("max_queue = 512", "max_queu = 512");
    assert!(message.starts_with("my.toml:10: "), "{message}");
    assert!(message.contains("max_queu"), "{message}");
}

#[test]
fn a_missing_file_says_which_profiles_ship() {
    let message = Profile::load("/nowhere/p.toml")
        .expect_err("absent")
        .to_string();
    assert!(message.contains("rtx4080-laptop, instant"), "{message}");
}

#[test]
fn output_lengths_follow_the_class_and_nothing_but_content() {
    let profile = Profile::builtin("rtx4080-laptop").expect("ships");
    let model = profile.find_model("gemma3").expect("has it");
    let draw = |prompt, seed, temperature| profile.output_tokens(model, prompt, seed, temperature);
    let collector = "You are DataCollector-9000, a systems analyst";
    assert_eq!(draw(collector, 3, 0.8), draw(collector, 3, 0.8));
    assert_eq!(draw(collector, 3, 0.0), draw(collector, 4, 0.0), "greedy");
    let lengths: Vec<f64> = (0..500)
        .map(|seed| f64::from(draw(collector, seed, 0.8)))
        .collect();
    let mean = lengths.iter().sum::<f64>() / 500.0;
    let sd = (lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 499.0).sqrt();
    let class = &model.outputs[0];
    assert!(
        (mean - class.mean_tokens).abs() < 4.0 * class.sd_tokens / 500_f64.sqrt(),
        "{mean}"
    );
    assert!((sd / class.sd_tokens - 1.0).abs() < 0.15, "{sd}");
}

#[test]
fn releases_choose_the_scheduling() {
    let mut settings = Profile::builtin("instant").expect("ships").server;
    for (version, fastpath) in [("0.11.4", false), ("0.11.5", true), ("0.33.0-rc2", true)] {
        version.clone_into(&mut settings.version);
        assert_eq!(settings.fastpath(), fastpath, "{version}");
    }
    settings.scheduling = Scheduling::Fifo;
    assert!(!settings.fastpath());
}
