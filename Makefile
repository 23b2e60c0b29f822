# ktli-uring. `make help` lists the targets.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/ktli-uring
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
DESTDIR ?=
CARGO ?= cargo
CC ?= cc

# Where cargo builds; and where the C tests do, beside it.
TARGET := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
HEADER := include/ktli_uring.h
SHARED := libktli_uring.so
PRELOAD := libktli_uring_preload.so
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
SONAME := $(SHARED).0
# The programs that are installed.
TOOLS := ktli-uring kinetic-drive ktli-bench
# Where the benchmark writes; the results that the documentation shows are in docs/bench.
BENCH_OUT ?= $(TARGET)/bench
# How long each of the fuzz targets runs, in seconds.
FUZZ_SECONDS ?= 60
# How long the soak runs, in seconds.
SOAK_SECONDS ?= 600
# What a program that links the static library needs besides; `make lint` compares it with rustc's list.
PRIVATE_LIBS := -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

.DEFAULT_GOAL := all
# No target is a file: all names in small letters are phony.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

all: build ## build the libraries, the drive and the demo

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

need:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust (Debian: rustup, or cargo from backports)" >&2; exit 1; }
	@command -v $(CC) >/dev/null || { echo "a C compiler is missing: install gcc (Debian: build-essential)" >&2; exit 1; }

build: need
	$(CARGO) build --release --workspace

demo: build ## put and get real values over io_uring and over the stock flow, and compare them
	$(RELEASE)/ktli-demo $(RELEASE)/kinetic-drive

bench: build ## measure the drivers side by side, below 20 minutes (BENCH_OUT: where tables and charts go)
	$(RELEASE)/ktli-bench run --out $(BENCH_OUT)

bench-quick: build ## the same in a minute: one point of each kind
	$(RELEASE)/ktli-bench run --quick --out $(BENCH_OUT)

test: test-rust test-c test-asan test-install test-user ## run all tests, Rust and C, and say what ran
	@echo "all tests passed: Rust (with the model check), C shared and static, ASan, installation, a new user's first steps"

test-rust: need ## run the Rust tests and the model check of the handoff
	$(CARGO) test --profile quick --workspace

test-c: build ## run the C tests against the shared and the static library
	c_tests/run.sh $(RELEASE) $(TARGET)/c_tests

test-asan: build ## run the C tests under AddressSanitizer
	c_tests/run.sh --asan $(RELEASE) $(TARGET)/c_tests

test-asan-rust: need ## run the driver's Rust tests and the C tests with AddressSanitizer in the Rust code, too
	tools/test-asan.sh $(TARGET)/asan

test-valgrind: build ## run the C tests under valgrind
	@command -v valgrind >/dev/null || { echo "valgrind is missing: install it (Debian: valgrind)" >&2; exit 1; }
	c_tests/run.sh --valgrind $(RELEASE) $(TARGET)/c_tests

test-kernels: build ## run the C tests on Debian's kernels 6.1 and 6.12, in virtual machines; installs nothing
	tools/test-kernels.sh $(RELEASE) $(TARGET)/kernels

test-install: build ## install into a scratch root and build a C program against that
	tools/test-install.sh $(TARGET)/install-test

fuzz: need ## feed the drive's parsers and the driver with garbage, two targets at a time (FUZZ_SECONDS: for each of the six; needs C++)
	tools/fuzz.sh $(TARGET)/fuzz $(FUZZ_SECONDS)

soak: build ## keep 64 connections busy for ten minutes while everything around them fails, and compare every value (SOAK_SECONDS)
	$(RELEASE)/ktli-soak --seconds $(SOAK_SECONDS)

model: need ## run only the model check of the handoff
	$(CARGO) test --profile quick -p ktli-model

lint: build ## check formats (needs clang-format), clippy, the fuzz targets (need a C++ compiler), the header and the symbols
	$(CARGO) fmt --all --check
	@for crate in fuzz tools/drive/fuzz; do \
	$(CARGO) fmt --manifest-path $$crate/Cargo.toml --check || exit; \
	$(CARGO) check --locked --manifest-path $$crate/Cargo.toml --target-dir $(TARGET)/fuzz-check || exit; \
	done
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	$(CARGO) clippy --release -p ktli-uring -p ktli-uring-preload --no-default-features -- -D warnings
	@command -v clang-format >/dev/null || { echo "clang-format is missing: install it (Debian: clang-format)" >&2; exit 1; }
	clang-format --dry-run -Werror $(wildcard c_tests/*.[ch] examples/*.c tools/cli/tests/programs/*.c)
	@# Checked, in a profile that nothing else uses: a build with other variables would make all of the workspace again.
	@KTLI_URING_HEADER=$(abspath $(TARGET))/ktli_uring.h $(CARGO) check -q -p ktli-uring
	@cmp -s $(TARGET)/ktli_uring.h $(HEADER) || { diff -u $(HEADER) $(TARGET)/ktli_uring.h; echo "$(HEADER) is not current: run 'make header'" >&2; exit 1; }
	@tools/symbols.sh $(RELEASE) | diff -u docs/symbols.txt - || { echo "the exported symbols are not those of docs/symbols.txt: run 'make symbols' if that is meant" >&2; exit 1; }
	@listed=$$(echo | rustc --crate-type staticlib --print native-static-libs -o $(TARGET)/empty.a - 2>&1 | sed -n 's/.*native-static-libs: //p'); \
	[ "$$listed" = "$(PRIVATE_LIBS)" ] || { echo "rustc's native static libraries are $$listed: mend PRIVATE_LIBS in the Makefile" >&2; exit 1; }

deny: need ## check licences, bans, sources and known vulnerabilities of all dependencies
	tools/deny.sh $(TARGET)/deny

header: need ## bring the committed C header up to date
	KTLI_URING_HEADER=$(abspath $(HEADER)) $(CARGO) build --release

symbols: build ## bring the committed list of exported symbols up to date
	tools/symbols.sh $(RELEASE) > docs/symbols.txt

install: build man ## install everything (PREFIX, LIBDIR, INCLUDEDIR, BINDIR, MANDIR, DOCDIR, COMPLETIONDIR, DESTDIR)
	@$(MAKE) -s --no-print-directory install-lib install-dev install-tools

# The three parts, as distributions package them. They install what `build` and `man` have made.
install-lib:
	install -d $(DESTDIR)$(LIBDIR)
	install -m 755 $(RELEASE)/$(SHARED) $(DESTDIR)$(LIBDIR)/$(SHARED).$(VERSION)
	ln -sf $(SHARED).$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	install -m 755 $(RELEASE)/$(PRELOAD) $(DESTDIR)$(LIBDIR)/$(PRELOAD)

install-dev:
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(DOCDIR)/examples
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/$(SHARED)
	install -m 644 $(RELEASE)/libktli_uring.a $(DESTDIR)$(LIBDIR)/libktli_uring.a
	install -m 644 $(HEADER) $(DESTDIR)$(INCLUDEDIR)/ktli_uring.h
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' -e 's|@PRIVATE@|$(PRIVATE_LIBS)|' ktli-uring.pc.in \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/ktli-uring.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/ktli-uring.pc
	install -m 644 $(TARGET)/man/*.3 $(DESTDIR)$(MANDIR)/man3
	install -m 644 examples/*.c $(DESTDIR)$(DOCDIR)/examples

install-tools:
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(COMPLETIONDIR)
	install -m 755 $(addprefix $(RELEASE)/,$(TOOLS)) $(DESTDIR)$(BINDIR)
	install -m 644 $(TARGET)/man/ktli-uring*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 644 docs/man/ktli-uring.7 $(DESTDIR)$(MANDIR)/man7
	install -m 644 $(TARGET)/man/ktli-uring.bash $(DESTDIR)$(COMPLETIONDIR)/ktli-uring

uninstall: ## remove what install has put there
	rm -f $(DESTDIR)$(LIBDIR)/$(SHARED).$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(SHARED) \
	    $(DESTDIR)$(LIBDIR)/$(PRELOAD) $(DESTDIR)$(LIBDIR)/libktli_uring.a \
	    $(DESTDIR)$(INCLUDEDIR)/ktli_uring.h $(DESTDIR)$(LIBDIR)/pkgconfig/ktli-uring.pc \
	    $(DESTDIR)$(MANDIR)/man3/ktli_uring_*.3 $(DESTDIR)$(MANDIR)/man7/ktli-uring.7 \
	    $(DESTDIR)$(MANDIR)/man1/ktli-uring*.1 $(DESTDIR)$(COMPLETIONDIR)/ktli-uring \
	    $(addprefix $(DESTDIR)$(BINDIR)/,$(TOOLS))
	rm -rf $(DESTDIR)$(DOCDIR)

man: build ## make the manual pages of the C functions and of the command
	@rm -rf $(TARGET)/man
	@tools/man.sh $(HEADER) $(TARGET)/man
	@$(RELEASE)/ktli-uring man $(TARGET)/man
	@$(RELEASE)/ktli-uring completions bash > $(TARGET)/man/ktli-uring.bash

deb: ## make Debian packages of this commit, the same bytes wherever they are built
	tools/deb.sh $(TARGET)/deb

dist: ## make a source archive that builds without a network
	tools/dist.sh $(TARGET)/dist

test-user: man ## do what a new user does, without rights and in an empty environment
	@rm -rf $(TARGET)/user-test
	@$(MAKE) -s --no-print-directory install-lib install-dev install-tools DESTDIR=$(abspath $(TARGET))/user-test PREFIX=/usr
	tools/test-user.sh $(TARGET)/user-test

test-packages: ## build the source archive twice, compare the packages, install them, use them, remove them
	tools/test-packages.sh $(TARGET)/packages-test

clean: ## remove what was built
	$(CARGO) clean
