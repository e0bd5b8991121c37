/* The command line of both daemons. */
#include "common/service/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/sys/file.h"

#define ERRORS_MAX (256u << 10)

static void usage(FILE *to, const struct options_program *p)
{
	fprintf(to, "Usage: %s [--config FILE] [--check | --show-config | "
	        "--sample]\n"
	        "  -c, --config FILE  read settings from FILE (%s)\n"
	        "      --check        say all that is wrong in the settings "
	        "and their files,\n"
	        "                     and exit\n"
	        "      --show-config  print all settings in effect, and exit\n"
	        "      --sample       print a settings file to start from\n"
	        "  -V, --version      print the version, and exit\n"
	        "  -h, --help         print this, and exit\n"
	        "It stays in the foreground and logs to stderr.\n",
	        p->name, p->config);
}

static void say_errors(const struct buf *lines, enum rc rc)
{
	if (lines->len > 0)
		fputs(buf_str(lines), stderr);
	else
		fprintf(stderr, "%s\n", rc_text(rc));
}

static bool load_conf(const struct options_program *p, const char *path,
                      struct conf **conf)
{
	struct buf errors = BUF_INIT(ERRORS_MAX);
	enum rc rc = conf_load(p->table, path, conf, &errors);

	if (rc != RC_OK)
		say_errors(&errors, rc);
	buf_free(&errors);
	return rc == RC_OK;
}

/* What --check finds. */
struct verdict {
	const struct options_program *program;
	struct buf errors, warnings;
};

void options_warn_place(const struct conf *c, const char *name,
                        struct buf *lines)
{
	const char *path = conf_get_str(c, name);
	struct stat st;
	char *dir = NULL;

	if (path && file_path_dir(path, &dir) == RC_OK &&
	    (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)))
		conf_blame(c, lines, "", -1, name, "%s: there is no directory "
		           "%s; a start needs it", path, dir);
	free(dir);
}

static void check_state(const struct conf *c, struct verdict *v)
{
	const char *path = conf_get_str(c, "state");
	struct stat st;

	options_warn_place(c, "state", &v->warnings);
	if (path && stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		conf_blame(c, &v->errors, "", -1, "state", "%s: is no "
		           "directory", path);
}

static void look_closer(const struct conf *c, void *arg)
{
	struct verdict *v = arg;

	options_warnings(c, &v->warnings);
	check_state(c, v);
	options_warn_place(c, "admin.socket", &v->warnings);
	if (v->program->check)
		v->program->check(c, &v->errors, &v->warnings);
}

static void say_warnings(const struct buf *lines)
{
	const char *s = buf_str(lines);

	for (size_t n; *s; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		fprintf(stderr, "warning: %.*s\n", (int)n, s);
	}
}

static int check(const struct options_program *p, const char *path)
{
	struct verdict v = { p, BUF_INIT(ERRORS_MAX), BUF_INIT(ERRORS_MAX) };
	enum rc rc = conf_check(p->table, path, look_closer, &v, &v.errors);

	if (rc != RC_OK)
		say_errors(&v.errors, rc);
	say_warnings(&v.warnings);
	if (rc == RC_OK)
		printf("%s: ok\n", path);
	buf_free(&v.errors);
	buf_free(&v.warnings);
	return rc == RC_OK ? 0 : 1;
}

static int print(struct buf *text)
{
	fputs(buf_str(text), stdout);
	buf_free(text);
	return 0;
}

static int sample(const struct options_program *p)
{
	struct buf text = BUF_INIT(ERRORS_MAX);

	conf_sample(p->table, &text);
	return print(&text);
}

static int show(const struct options_program *p, const char *path)
{
	struct buf text = BUF_INIT(ERRORS_MAX);
	struct conf *c = NULL;

	if (!load_conf(p, path, &c))
		return 1;
	conf_show(c, &text);
	conf_free(c);
	return print(&text);
}

bool options_read(int argc, char **argv, const struct options_program *p,
                  struct conf **conf, int *status)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "show-config", no_argument, NULL, 's' },
		{ "sample", no_argument, NULL, 'e' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	const char *path = p->config;
	int opt, todo = 0;

	while ((opt = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		if (opt == 'c')
			path = optarg;
		else
			todo = opt;
	}
	if (optind < argc)
		todo = '?';
	*status = 0;
	switch (todo) {
	case 0:
		*status = load_conf(p, path, conf) ? 0 : 1;
		return *status == 0;
	case 'k':
		*status = check(p, path);
		break;
	case 's':
		*status = show(p, path);
		break;
	case 'e':
		*status = sample(p);
		break;
	case 'V':
		printf("%s %s\n", p->name, PACKAGE_VERSION);
		break;
	case 'h':
		usage(stdout, p);
		break;
	default:
		usage(stderr, p);
		*status = 2;
	}
	return false;
}
