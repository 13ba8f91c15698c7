/*
 * A disk that can be cut off, slowed down or full, for processes that know nothing of it (LD_PRELOAD).
 *
 * TEST_DISK_ROOT     only files below this directory are looked at
 * TEST_DISK_JOURNAL  every change below it is appended to this file, and every sync that has returned
 * TEST_DISK_CONTROL  a file that is read as struct control at each write and sync; it may change at any time
 * TEST_DISK_BOOT_ID  read in place of /proc/sys/kernel/random/boot_id, which a power cut changes
 *
 * A write is noted after it has returned: one that is not noted, because the process was killed in between, was not synced
 * either, so it may be lost. A write that syncs itself (O_DSYNC) is noted before, and that it is durable after. A sync
 * makes durable what was noted before it began. power-cut.ts reads the journal.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FDS 65536
#define MAGIC 0x4c4e524au /* "JRNL" */
#define END 0x21444e45u   /* "END!" */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

enum kind { OPENED = 1, CREATED, WRITE, ZEROS, RANGE_SYNCED, SYNC_BEGAN, SYNC_ENDED, TRUNCATED, RENAMED, UNLINKED, MADE_DIR, REMOVED_DIR };

struct record {
  uint32_t magic;
  uint32_t kind;
  uint64_t inode;
  uint64_t offset; /* of a write; the new size of a truncated file; the number of a sync */
  uint32_t length; /* of what was written or is durable */
  uint32_t payload; /* bytes that follow: a path, two paths with a NUL between them, or data */
};

/* Ends every record: a process that is killed leaves a part of one, and others go on writing behind it. */
struct record_end {
  uint32_t magic;
  uint32_t payload;
};

struct control {
  uint32_t sync_delay_ms;
  uint32_t full; /* writes that make a file longer fail */
};

static struct {
  int (*open)(const char *, int, ...);
  int (*openat)(int, const char *, int, ...);
  int (*close)(int);
  ssize_t (*write)(int, const void *, size_t);
  ssize_t (*writev)(int, const struct iovec *, int);
  ssize_t (*pwrite)(int, const void *, size_t, off_t);
  ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
  int (*fsync)(int);
  int (*fdatasync)(int);
  int (*ftruncate)(int, off_t);
  int (*rename)(const char *, const char *);
  int (*unlink)(const char *);
  int (*mkdir)(const char *, mode_t);
  int (*rmdir)(const char *);
} real;

static const char *root, *boot_id;
static size_t root_length;
static int journal = -1;
static const struct control *control;
static uint64_t syncs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* What an open descriptor below the root is. */
static struct {
  volatile uint8_t tracked, synced;
  uint64_t inode, device;
} files[FDS];

static void init(void) {
  real.open = dlsym(RTLD_NEXT, "open");
  real.openat = dlsym(RTLD_NEXT, "openat");
  real.close = dlsym(RTLD_NEXT, "close");
  real.write = dlsym(RTLD_NEXT, "write");
  real.writev = dlsym(RTLD_NEXT, "writev");
  real.pwrite = dlsym(RTLD_NEXT, "pwrite");
  real.pwritev = dlsym(RTLD_NEXT, "pwritev");
  real.fsync = dlsym(RTLD_NEXT, "fsync");
  real.fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real.ftruncate = dlsym(RTLD_NEXT, "ftruncate");
  real.rename = dlsym(RTLD_NEXT, "rename");
  real.unlink = dlsym(RTLD_NEXT, "unlink");
  real.mkdir = dlsym(RTLD_NEXT, "mkdir");
  real.rmdir = dlsym(RTLD_NEXT, "rmdir");
  root = getenv("TEST_DISK_ROOT");
  root_length = root == NULL ? 0 : strlen(root);
  boot_id = getenv("TEST_DISK_BOOT_ID");
  const char *path = getenv("TEST_DISK_JOURNAL");
  if (path != NULL && path[0] != 0) journal = real.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  path = getenv("TEST_DISK_CONTROL");
  if (path == NULL || path[0] == 0) return;
  int fd = real.open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED) control = map;
  real.close(fd);
}

static void ready(void) { pthread_once(&once, init); }

static int below_root(const char *path) {
  return root_length > 0 && path != NULL && strncmp(path, root, root_length) == 0 &&
         (path[root_length] == '/' || path[root_length] == 0);
}

/* One write() to a file opened for appending: records of several threads and processes never mix. */
static void note(enum kind kind, uint64_t inode, uint64_t offset, uint32_t length, const struct iovec *parts, int count) {
  if (journal < 0) return;
  int saved = errno;
  struct iovec all[67];
  struct record record = {MAGIC, kind, inode, offset, length, 0};
  if (count > 64) abort();
  all[0].iov_base = &record;
  all[0].iov_len = sizeof record;
  for (int i = 0; i < count; i++) {
    all[i + 1] = parts[i];
    record.payload += parts[i].iov_len;
  }
  struct record_end end = {END, record.payload};
  all[count + 1].iov_base = &end;
  all[count + 1].iov_len = sizeof end;
  ssize_t wanted = sizeof record + record.payload + sizeof end;
  /* A journal that has gaps would blame the product. */
  if (real.writev(journal, all, count + 2) != wanted) abort();
  errno = saved;
}

static void note_path(enum kind kind, uint64_t inode, const char *path) {
  struct iovec part = {(void *)path, strlen(path)};
  note(kind, inode, 0, 0, &part, 1);
}

static int is_zero(const struct iovec *parts, int count) {
  for (int i = 0; i < count; i++) {
    const char *bytes = parts[i].iov_base;
    size_t length = parts[i].iov_len;
    if (length > 0 && (bytes[0] != 0 || memcmp(bytes, bytes + 1, length - 1) != 0)) return 0;
  }
  return 1;
}

static void note_write(int fd, const struct iovec *parts, int count, ssize_t written, off_t offset) {
  if (written <= 0 || journal < 0) return;
  struct iovec done[64];
  int used = 0;
  size_t left = written;
  for (int i = 0; i < count && left > 0; i++) {
    if (used == 64) abort();
    done[used] = parts[i];
    if (done[used].iov_len > left) done[used].iov_len = left;
    left -= done[used++].iov_len;
  }
  uint64_t inode = files[fd].inode;
  if (written >= 4096 && is_zero(done, used)) note(ZEROS, inode, offset, written, NULL, 0);
  else note(WRITE, inode, offset, written, done, used);
}

/* libuv closes by a system call of its own, so a descriptor may be a socket by now. */
static int tracked(int fd) {
  ready();
  if (fd < 0 || fd >= FDS || !files[fd].tracked) return 0;
  struct stat stat;
  int same = fstat(fd, &stat) == 0 && stat.st_ino == files[fd].inode && stat.st_dev == files[fd].device &&
             (S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode));
  if (!same) files[fd].tracked = 0;
  return same;
}

static int is_full(int fd, off_t end) {
  if (control == NULL || !control->full) return 0;
  struct stat stat;
  return fstat(fd, &stat) == 0 && end > stat.st_size;
}

static size_t total(const struct iovec *parts, int count) {
  size_t sum = 0;
  for (int i = 0; i < count; i++) sum += parts[i].iov_len;
  return sum;
}

static void track(int fd, const char *path, int flags, int existed) {
  struct stat stat;
  if (fd >= FDS) abort();
  if (fstat(fd, &stat) != 0) return;
  files[fd].inode = stat.st_ino;
  files[fd].device = stat.st_dev;
  files[fd].synced = (flags & (O_DSYNC | O_SYNC)) != 0;
  files[fd].tracked = 1;
  note_path(existed ? OPENED : CREATED, stat.st_ino, path);
  if (existed && (flags & O_TRUNC)) note(TRUNCATED, stat.st_ino, 0, 0, NULL, 0);
}

static int open_any(const char *path, int flags, mode_t mode) {
  ready();
  if (boot_id != NULL && strcmp(path, BOOT_ID) == 0) return real.open(boot_id, O_RDONLY | O_CLOEXEC);
  int below = below_root(path);
  struct stat stat;
  int existed = below && lstat(path, &stat) == 0;
  if (below && !existed && (flags & O_CREAT) && control != NULL && control->full) {
    errno = ENOSPC;
    return -1;
  }
  int fd = real.open(path, flags, mode);
  if (fd >= 0 && below) track(fd, path, flags, existed);
  return fd;
}

static mode_t mode_of(int flags, va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                 \
  int name(const char *path, int flags, ...) {     \
    va_list arguments;                             \
    va_start(arguments, flags);                    \
    mode_t mode = mode_of(flags, arguments);       \
    va_end(arguments);                             \
    return open_any(path, flags, mode);            \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                          \
  int name(int at, const char *path, int flags, ...) {                        \
    va_list arguments;                                                        \
    va_start(arguments, flags);                                               \
    mode_t mode = mode_of(flags, arguments);                                  \
    va_end(arguments);                                                        \
    ready();                                                                  \
    if (at == AT_FDCWD || path[0] == '/') return open_any(path, flags, mode); \
    return real.openat(at, path, flags, mode);                                \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  ready();
  if (fd >= 0 && fd < FDS) files[fd].tracked = 0;
  return real.close(fd);
}

static void delay(void) {
  if (control == NULL || control->sync_delay_ms == 0) return;
  struct timespec time = {control->sync_delay_ms / 1000, (control->sync_delay_ms % 1000) * 1000000L};
  nanosleep(&time, NULL);
}

static ssize_t write_any(int fd, const struct iovec *parts, int count, off_t offset, int positioned) {
  off_t at = positioned ? offset : lseek(fd, 0, SEEK_CUR);
  if (is_full(fd, at + total(parts, count))) {
    errno = ENOSPC;
    return -1;
  }
  int synced = files[fd].synced;
  if (synced) {
    note_write(fd, parts, count, total(parts, count), at);
    delay();
  }
  ssize_t written = positioned ? real.pwritev(fd, parts, count, offset) : real.writev(fd, parts, count);
  if (!positioned && written > 0) at = lseek(fd, 0, SEEK_CUR) - written;
  if (!synced) note_write(fd, parts, count, written, at);
  else if (written > 0) note(RANGE_SYNCED, files[fd].inode, at, written, NULL, 0);
  return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  if (!tracked(fd)) return real.write(fd, bytes, length);
  struct iovec part = {(void *)bytes, length};
  return write_any(fd, &part, 1, 0, 0);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!tracked(fd)) return real.writev(fd, parts, count);
  return write_any(fd, parts, count > 64 ? 64 : count, 0, 0);
}

#define PWRITE(name)                                                          \
  ssize_t name(int fd, const void *bytes, size_t length, off_t offset) {      \
    if (!tracked(fd)) return real.pwrite(fd, bytes, length, offset);          \
    struct iovec part = {(void *)bytes, length};                              \
    return write_any(fd, &part, 1, offset, 1);                                \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                            \
  ssize_t name(int fd, const struct iovec *parts, int count, off_t offset) {     \
    if (!tracked(fd)) return real.pwritev(fd, parts, count, offset);             \
    return write_any(fd, parts, count > 64 ? 64 : count, offset, 1);             \
  }
PWRITEV(pwritev)
PWRITEV(pwritev64)

static int sync_any(int fd, int (*sync)(int)) {
  if (!tracked(fd)) return sync(fd);
  uint64_t number = (uint64_t)getpid() << 32 | __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
  note(SYNC_BEGAN, files[fd].inode, number, 0, NULL, 0);
  delay();
  int result = sync(fd);
  if (result == 0) note(SYNC_ENDED, files[fd].inode, number, 0, NULL, 0);
  return result;
}

int fsync(int fd) { ready(); return sync_any(fd, real.fsync); }
int fdatasync(int fd) { ready(); return sync_any(fd, real.fdatasync); }

#define FTRUNCATE(name)                                                         \
  int name(int fd, off_t size) {                                                \
    if (!tracked(fd)) return real.ftruncate(fd, size);                          \
    int result = real.ftruncate(fd, size);                                      \
    if (result == 0) note(TRUNCATED, files[fd].inode, size, 0, NULL, 0);        \
    return result;                                                              \
  }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

int rename(const char *from, const char *to) {
  ready();
  int result = real.rename(from, to);
  if (result == 0 && below_root(from) && below_root(to)) {
    struct iovec parts[3] = {{(void *)from, strlen(from)}, {"", 1}, {(void *)to, strlen(to)}};
    note(RENAMED, 0, 0, 0, parts, 3);
  }
  return result;
}

#define ON_PATH(name, kind, declaration, call)                  \
  int name declaration {                                        \
    ready();                                                    \
    int result = call;                                          \
    if (result == 0 && below_root(path)) note_path(kind, 0, path); \
    return result;                                              \
  }
ON_PATH(unlink, UNLINKED, (const char *path), real.unlink(path))
ON_PATH(mkdir, MADE_DIR, (const char *path, mode_t mode), real.mkdir(path, mode))
ON_PATH(rmdir, REMOVED_DIR, (const char *path), real.rmdir(path))
