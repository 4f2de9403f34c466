# A thin front for meson and ninja. Every target installs what it lacks first (tools/deps).

MESON = /usr/bin/meson
B = build

all: $(B)/build.ninja
	@ninja -C $(B)

$(B)/build.ninja:
	@tools/deps build
	@$(MESON) setup $(B) $(MESON_ARGS)

check:
	@tools/deps check
	@tools/check

# The long variants: every kind of ring, 50 kills, 20 migrations.
check-full:
	@tools/deps check
	@RINGWAY_FULL=1 tools/check

demo:
	@tools/deps demo
	@$(MAKE) --no-print-directory all
	@tools/mkguest
	@tools/demo

fuzz:
	@tools/deps fuzz
	@tools/fuzz

bench:
	@tools/deps bench
	@$(MAKE) --no-print-directory all
	@tools/bench

bench-quick:
	@tools/deps bench
	@$(MAKE) --no-print-directory all
	@tools/bench --quick

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: all
	@$(MESON) install -C $(B) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

clean:
	rm -rf $(B)

.PHONY: all check check-full demo fuzz bench bench-quick format install clean
