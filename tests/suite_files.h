/* suite_files.h - files made to break JSON readers; they lie beside the source
 * tree, or where $ALTOCAST_SHARED says.
 *
 * y_ is JSON, n_ is not, i_ may be taken or not.
 */
#ifndef ALTOCAST_TESTS_SUITE_FILES_H
#define ALTOCAST_TESTS_SUITE_FILES_H

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUITE_FILE_MAX (1u << 20)
#define SUITE_FILES_MIN 318u

/* The file in memory of exactly its size, so that a read too far is seen. */
static inline char *suite_load(const char *dir, const char *name, size_t *len)
{
	char path[1400], *all = malloc(SUITE_FILE_MAX), *text = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f && all) {
		*len = fread(all, 1, SUITE_FILE_MAX, f);
		text = malloc(*len ? *len : 1);
		if (text)
			memcpy(text, all, *len);
	}
	if (f)
		fclose(f);
	free(all);
	return text;
}

/* Calls judge for each file. How many there are; 0: they are not on this
 * machine. */
static inline size_t suite_files(void (*judge)(const char *name,
                                               const char *text, size_t len,
                                               void *arg), void *arg)
{
	static const char suite[] = "hostile/json-test-suite/test_parsing";
	const char *shared = getenv("ALTOCAST_SHARED");
	const char *src = getenv("srcdir");
	char dir[1024], *text;
	size_t files = 0, len = 0;
	DIR *all;

	if (shared)
		snprintf(dir, sizeof(dir), "%s/%s", shared, suite);
	else
		snprintf(dir, sizeof(dir), "%s/../shared/%s", src ? src : ".",
		         suite);
	all = opendir(dir);
	if (!all)
		return 0;
	for (struct dirent *e = readdir(all); e; e = readdir(all)) {
		if (!strstr(e->d_name, ".json"))
			continue;
		text = suite_load(dir, e->d_name, &len);
		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		judge(e->d_name, text, len, arg);
		free(text);
		files++;
	}
	closedir(all);
	CU_ASSERT(files >= SUITE_FILES_MIN);
	return files;
}

#endif
