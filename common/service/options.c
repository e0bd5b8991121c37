#include "common/service/options.h"

#include <getopt.h>
#include <stdio.h>

#include "common/sys/log.h"

#define ERRORS_MAX (256u << 10)

static bool has_tokens(const struct conf *c)
{
	for (size_t i = 0; i < conf_list_count(c, "subscribers"); i++)
		if (conf_list_is_set(c, "subscribers", i, "token-file"))
			return true;
	return false;
}

void options_check(const struct conf *c, struct buf *errors)
{
	const char *level = conf_get_str(c, "log");
	enum log_level known;
	struct conf_listen push;

	if (level && log_level_parse(level, &known) != RC_OK)
		conf_blame(c, errors, "", -1, "log", "\"%s\" is not known: "
		           "error, warn, info or debug", level);
	if (conf_get_listen(c, "push.listen", &push) != RC_OK)
		return;
	if (push.wildcard && !conf_get_str(c, "push.public-uri"))
		conf_blame(c, errors, "", -1, "push.listen", "a wildcard "
		           "address cannot be announced: set push.public-uri "
		           "to the ws:// or wss:// URI subscribers use");
	if (!push.loopback && !conf_get_bool(c, "push.anonymous") &&
	    !has_tokens(c))
		conf_blame(c, errors, "", -1, "push.listen", "not on loopback: "
		           "list subscribers with a token-file, or say "
		           "push.anonymous = true");
}

static bool load_conf(const struct conf_table *table, const char *path,
                      struct conf **conf)
{
	struct buf errors = BUF_INIT(ERRORS_MAX);
	enum rc rc = conf_load(table, path, conf, &errors);

	if (rc != RC_OK)
		fprintf(stderr, "%s", errors.len ? buf_str(&errors) :
		        rc_text(rc));
	buf_free(&errors);
	return rc == RC_OK;
}

static void usage(FILE *to, const char *program, const char *path)
{
	fprintf(to, "Usage: %s [--config FILE] [--check] [--show-config]\n"
	        "  -c, --config FILE  read settings from FILE (%s)\n"
	        "      --check        say every error in the settings, and "
	        "exit\n"
	        "      --show-config  print all settings in effect, and exit\n"
	        "      --sample       print a settings file to start from\n"
	        "  -V, --version      print the version, and exit\n"
	        "  -h, --help         print this, and exit\n"
	        "It stays in the foreground and logs to stderr.\n",
	        program, path);
}

bool options_read(int argc, char **argv, const char *program,
                  const char *default_config, const struct conf_table *table,
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
	struct buf text = BUF_INIT(ERRORS_MAX);
	const char *path = default_config;
	int opt, todo = 0;

	while ((opt = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		if (opt == 'c')
			path = optarg;
		else
			todo = opt;
	}
	*status = 0;
	if (todo == '?' || optind < argc) {
		usage(stderr, program, default_config);
		*status = 2;
		return false;
	}
	if (todo == 'h') {
		usage(stdout, program, default_config);
		return false;
	}
	if (todo == 'V') {
		printf("%s %s\n", program, PACKAGE_VERSION);
		return false;
	}
	if (todo == 'e') {
		conf_sample(table, &text);
		fputs(buf_str(&text), stdout);
		buf_free(&text);
		return false;
	}
	if (!load_conf(table, path, conf)) {
		*status = 1;
		return false;
	}
	if (todo == 0)
		return true;
	if (todo == 's')
		conf_show(*conf, &text);
	else
		buf_printf(&text, "%s: ok\n", path);
	fputs(buf_str(&text), stdout);
	buf_free(&text);
	conf_free(*conf);
	return false;
}
