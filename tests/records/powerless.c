/*
 * What a loss of power would leave: loaded before libc, it copies what is synced at the moment it is.
 *
 * POWERLESS_ROOT is looked at; into POWERLESS_DISK go the content of each file as it was when it was last synced, and
 * for each folder, when it was last synced, which names stood in it. powerless.py puts that together again.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void name_of(int folder, const char *name, int flags, char *key, size_t size, unsigned *mode) {
    struct statx found;
    if (statx(folder, name, flags | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &found) != 0) {
        key[0] = 0;
        return;
    }
    /* A number of a file that is gone is given to another one: only with its birth is it a name. */
    snprintf(key, size, "%llu-%lld-%u", (unsigned long long)found.stx_ino, (long long)found.stx_btime.tv_sec,
             found.stx_btime.tv_nsec);
    *mode = found.stx_mode;
}

static int begun(const char *disk, const char *name, char *new, char *path) {
    snprintf(path, PATH_MAX, "%s/%s", disk, name);
    snprintf(new, PATH_MAX, "%s/new-%d-%ld", disk, (int)getpid(), (long)syscall(SYS_gettid));
    return open(new, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void copy_file(int file, const char *disk, const char *key) {
    char name[128], new[PATH_MAX], path[PATH_MAX], part[65536];
    ssize_t size;
    off_t at = 0;
    snprintf(name, sizeof name, "file-%s", key);
    char self[64];
    /* Opened anew: this one may be for writing only. */
    snprintf(self, sizeof self, "/proc/self/fd/%d", file);
    int own = open(self, O_RDONLY), copy = begun(disk, name, new, path);
    while ((size = pread(own, part, sizeof part, at)) > 0) {
        if (write(copy, part, size) != size) abort();
        at += size;
    }
    close(own);
    close(copy);
    if (rename(new, path) != 0) abort();
}

static void copy_folder(int folder, const char *disk, const char *relative) {
    char name[PATH_MAX], new[PATH_MAX], path[PATH_MAX], key[96];
    unsigned mode = 0;
    struct dirent *entry;
    snprintf(name, sizeof name, "folder-%s", relative);
    for (char *each = name; *each; each++) if (*each == '/') *each = '%';
    int copy = begun(disk, name, new, path), own = openat(folder, ".", O_RDONLY | O_DIRECTORY);
    DIR *listing = fdopendir(own);
    while ((entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        name_of(own, entry->d_name, 0, key, sizeof key, &mode);
        if (key[0]) dprintf(copy, "%c %s %s\n", S_ISDIR(mode) ? 'd' : 'f', key, entry->d_name);
    }
    closedir(listing);
    close(copy);
    if (rename(new, path) != 0) abort();
}

static void keep(int file) {
    const char *root = getenv("POWERLESS_ROOT"), *disk = getenv("POWERLESS_DISK");
    char link[64], path[PATH_MAX], key[96];
    unsigned mode = 0;
    if (root == NULL || disk == NULL) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return;
    path[size] = 0;
    if (strncmp(path, root, strlen(root)) != 0) return;
    const char *relative = path + strlen(root);
    if (*relative != 0 && *relative != '/') return;
    name_of(file, "", AT_EMPTY_PATH, key, sizeof key, &mode);
    int before = errno;
    if (S_ISDIR(mode)) copy_folder(file, disk, *relative == '/' ? relative + 1 : relative);
    else if (S_ISREG(mode)) copy_file(file, disk, key);
    errno = before;
}

int fsync(int file) {
    static int (*real)(int);
    if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    keep(file);
    return real(file);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    keep(file);
    return real(file);
}
