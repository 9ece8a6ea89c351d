//! Throttle reasons from the `gpu_metrics` table.
//!
//! The table's shape depends on its revision, which its header names. Read here are the revisions
//! that hold `indep_throttle_status`, the mask whose bits mean the same on every chip. Older ones
//! have only a mask of each chip's own, and those of newer APUs and accelerators hold counters.

/// Where the mask lies in a table, by revision of format and content.
const fn offset(format: u8, content: u8) -> Option<usize> {
    match (format, content) {
        (1, 3) => Some(112),
        (2, 2..=4) => Some(120),
        _ => None,
    }
}

/// The mask of a table, or why there is none.
pub(super) fn bits(table: &[u8]) -> Result<u64, String> {
    let [low, high, format, content, ..] = *table else {
        return Err("the table is empty".to_owned());
    };
    let size = usize::from(u16::from_le_bytes([low, high]));
    let at = offset(format, content).ok_or_else(|| {
        format!(
            "revision {format}.{content} holds no throttle status that means the same on every chip"
        )
    })?;
    let mask = table
        .get(at..at + 8)
        .filter(|_| size >= at + 8 && table.len() >= size)
        .and_then(|mask| mask.try_into().ok())
        .map(u64::from_le_bytes)
        .ok_or_else(|| {
            format!(
                "revision {format}.{content} is cut off at {} bytes",
                table.len()
            )
        })?;
    // The driver sets every bit where a chip does not report its status.
    if mask == u64::MAX {
        return Err("the chip does not report its throttle status".to_owned());
    }
    Ok(mask)
}

/// The bits' names as the driver's source has them, in small letters: each list begins at a bit.
const NAMES: [(u32, &str); 4] = [
    (0, "ppt0 ppt1 ppt2 ppt3 spl fppt sppt sppt_apu"),
    (
        16,
        "tdc_gfx tdc_soc tdc_mem tdc_vdd tdc_cvip edc_cpu edc_gfx apcc",
    ),
    (
        32,
        "temp_gpu temp_core temp_mem temp_edge temp_hotspot temp_soc temp_vr_gfx temp_vr_soc \
         temp_vr_mem0 temp_vr_mem1 temp_liquid0 temp_liquid1 vrhot0 vrhot1 prochot_cpu prochot_gfx",
    ),
    (56, "ppm fit"),
];

/// The names of the bits that are set; one without a name is called by its number.
pub(super) fn names(mask: u64) -> Vec<String> {
    let name = |bit: u32| {
        let mut lists = NAMES.iter();
        lists.find_map(|(first, names)| names.split(' ').nth(bit.checked_sub(*first)? as usize))
    };
    (0..u64::BITS)
        .filter(|bit| mask >> bit & 1 == 1)
        .map(|bit| name(bit).map_or_else(|| format!("bit_{bit}"), str::to_owned))
        .collect()
}
