/* SPDX-License-Identifier: Apache-2.0 */
/* fdb_file.h - Learned addresses that outlive the daemon, one file per network.
 *
 * The entries of the forwarding table (switch/fdb.h) lie in a mapped file: whatever was learned when the process is killed is there for
 * the next one, without anybody having to write it down, and an idle daemon has nothing to wake up for. An entry is a word
 * that is stored whole, so none is ever torn. Beside them the file has the names of the ports by index, each with its checksum.
 *
 * A new daemon makes a new file, learns from the old one what belongs to ports that it has under the same name, and then puts the
 * new file in the old one's place. Ages begin anew. Control thread. */
#ifndef RINGWAY_CONTROL_FDB_FILE_H
#define RINGWAY_CONTROL_FDB_FILE_H

#include <stddef.h>
#include <stdint.h>

struct fdb;
struct fdb_file;

/* A new file DIR/NETWORK.fdb.new, and the entries of the old one, if there is one that can be read. NULL: logged why not. */
struct fdb_file *fdb_file_create(const char *dir, const char *network, unsigned capacity);
/* For fdb_create_in(). */
void *fdb_file_storage(struct fdb_file *f);
/* Call before anything can be learned on the port. */
void fdb_file_set_port(struct fdb_file *f, uint16_t idx, const char *name);
/* Learn what is in the old file by now, when the daemon that writes it lives on for a while and hands over. Returns how many. */
unsigned fdb_file_copy(const struct fdb_file *f, struct fdb *fdb);
/* Learn what is in the old file, of those ports that set_port() has named, and where nothing newer is known; then replace the old
 * file. Returns how many. */
unsigned fdb_file_restore(struct fdb_file *f, struct fdb *fdb);
/* From now on changes of the table do not reach the file: the daemon ends, the addresses are to stay. */
void fdb_file_freeze(struct fdb_file *f);
/* The table is gone. Deletes the file, unless it was frozen. NULL is fine. */
void fdb_file_destroy(struct fdb_file *f);

#endif
