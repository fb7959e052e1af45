//! Writing sorted rows into one database, in one transaction.

use std::iter::Peekable;
use std::ops::Bound;

use redb::{CursorError, Database, Durability};

use super::write_set::Written;
use super::{definition, name_of};
use crate::store::error::StoreError;
use crate::store::journal::Position;

/// Holds what belongs to the file and to no table of the caller.
pub(super) const META_TABLE: &str = "store.meta";
pub(super) const POSITION_KEY: &[u8] = b"position";

/// Writes `rows`, sorted by table and key, and the position; durable on `Ok`.
pub(super) fn commit<'a>(
    database: &Database,
    names: &'static [&'static str],
    rows: impl Iterator<Item = Written<'a>>,
    position: Option<Position>,
) -> Result<(), StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    let mut rows = rows.peekable();
    while let Some(first) = rows.peek() {
        let id = first.table;
        let mut table = transaction.open_table(definition(name_of(names, id)?))?;
        write_table(&mut table, &mut std::iter::from_fn(|| rows.next_if(|row| row.table == id)).peekable())?;
    }
    if let Some(position) = position {
        let mut meta = transaction.open_table(definition(META_TABLE))?;
        meta.insert(POSITION_KEY, position.0.to_le_bytes().as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

/// Writes the rows of one table.
///
/// Rows that fall into one gap between existing ones go through a cursor, which costs about half of
/// inserting them one by one; for keys scattered over the table, or already there, looking for such runs is
/// given up for a while.
fn write_table<'a>(
    table: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    rows: &mut Peekable<impl Iterator<Item = Written<'a>>>,
) -> Result<(), StoreError> {
    let mut one_by_one = 0;
    let mut patience = PATIENCE_MIN;
    while let Some(row) = rows.next() {
        let Some(value) = row.value else {
            table.remove(row.key)?;
            continue;
        };
        if one_by_one > 0 {
            one_by_one -= 1;
            table.insert(row.key, value)?;
            continue;
        }
        let (run, outside) = insert_run(table, row.key, value, rows)?;
        if let Some((key, value)) = outside {
            table.insert(key, value)?;
        }
        if run < RUN_WORTH_IT {
            one_by_one = patience;
            patience = (patience * 2).min(PATIENCE_MAX);
        } else {
            patience = PATIENCE_MIN;
        }
    }
    Ok(())
}

/// Inserts rows into the gap where `key` belongs until one does not fit; returns how many did and that one.
fn insert_run<'a>(
    table: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    mut key: &'a [u8],
    mut value: &'a [u8],
    rows: &mut Peekable<impl Iterator<Item = Written<'a>>>,
) -> Result<(u32, Option<Pair<'a>>), StoreError> {
    let mut cursor = table.lower_bound_mut(Bound::Included(key))?;
    let mut run = 0;
    loop {
        match cursor.insert_before(key, value) {
            Ok(()) => run += 1,
            Err(CursorError::UnorderedKey) => {
                cursor.close()?;
                return Ok((run, Some((key, value))));
            }
            Err(error) => return Err(error.into()),
        }
        let next = rows.next_if(|next| next.value.is_some());
        let Some(Written { key: next_key, value: Some(next_value), .. }) = next else {
            cursor.close()?;
            return Ok((run, None));
        };
        (key, value) = (next_key, next_value);
    }
}

/// A key and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// A run shorter than this was not worth looking for.
const RUN_WORTH_IT: u32 = 4;
const PATIENCE_MIN: u32 = 8;
const PATIENCE_MAX: u32 = 512;
