"""How RocksDB is set up: for small stores, and for families of many rows that are seldom read.

All stores of a process share one block cache and one budget of memory for writes, so that memory
is bounded whatever the number of partitions.
"""

from __future__ import annotations

from functools import cache

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    SliceTransform,
    WriteBufferManager,
)

PREFIX = 16
"""Rows of a family that is not the default one are looked up by the first bytes of their key."""
CACHE_BYTES = 128 << 20
WRITE_BUFFER_BYTES = 32 << 20
ALL_WRITE_BUFFERS_BYTES = 256 << 20
OPEN_FILES = 512


def store_options() -> Options:
    """Return the options of a store and of its default family."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_max_background_jobs(2)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_write_buffer_manager(_write_buffers())
    options.set_max_open_files(OPEN_FILES)
    options.set_keep_log_file_num(2)
    options.set_block_based_table_factory(_table())
    return options


def family_options() -> Options:
    """Return the options of a family: written in bulk, read by the first PREFIX bytes of a key."""
    options = Options(raw_mode=True)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_prefix_extractor(SliceTransform.create_fixed_prefix(PREFIX))
    options.set_compression_type(DBCompressionType.lz4())
    options.set_bottommost_compression_type(DBCompressionType.zstd())
    table = _table()
    table.set_bloom_filter(10, block_based=False)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options.set_block_based_table_factory(table)
    return options


def _table() -> BlockBasedOptions:
    table = BlockBasedOptions()
    table.set_block_cache(_block_cache())
    table.set_format_version(5)
    return table


@cache
def _block_cache() -> Cache:
    return Cache(CACHE_BYTES)


@cache
def _write_buffers() -> WriteBufferManager:
    return WriteBufferManager(ALL_WRITE_BUFFERS_BYTES, False)
