# Copyright (c) 2026 The IOVTee for Open vSwitch authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# Installed with their folders, since two pages have the same name and all of
# them link to each other.
nobase_dist_doc_DATA = \
	CONTRIBUTING.rst \
	NEWS \
	README.rst \
	$(DOC_PLOTS) \
	$(DOC_SOURCE) \
	lib/iovtee-unixctl.man \
	vswitchd/iovtee.xml

DOC_SOURCE = \
	Documentation/contents.rst \
	Documentation/howto/container.rst \
	Documentation/howto/vf.rst \
	Documentation/howto/vlan.rst \
	Documentation/howto/vm.rst \
	Documentation/index.rst \
	Documentation/internals/iovtee.rst \
	Documentation/internals/memory.rst \
	Documentation/internals/openvswitch.rst \
	Documentation/internals/stopping.rst \
	Documentation/internals/testing.rst \
	Documentation/internals/threads.rst \
	Documentation/internals/transmit.rst \
	Documentation/intro/install.rst \
	Documentation/intro/what-is-iovtee.rst \
	Documentation/topics/benchmarks-method.rst \
	Documentation/topics/benchmarks-more.rst \
	Documentation/topics/benchmarks.rst \
	Documentation/topics/counters.rst \
	Documentation/topics/evidence-hostile.rst \
	Documentation/topics/evidence-life.rst \
	Documentation/topics/evidence.rst \
	Documentation/topics/life.rst \
	Documentation/topics/limits.rst \
	Documentation/topics/migration.rst \
	Documentation/topics/nic-drivers-receive.rst \
	Documentation/topics/nic-drivers-stop.rst \
	Documentation/topics/nic-drivers.rst \
	Documentation/topics/packages.rst \
	Documentation/topics/ports.rst \
	Documentation/topics/security.rst \
	Documentation/topics/transmit.rst \
	Documentation/topics/tuning.rst \
	Documentation/topics/watching.rst \
	Documentation/topics/why-copied.rst \
	Documentation/tutorials/first-guest.rst

DOC_PLOTS = \
	Documentation/topics/benchmarks/bursts-values.svg \
	Documentation/topics/benchmarks/copies-guest-to-guest-throughput.svg \
	Documentation/topics/benchmarks/early-completion-ratio.svg \
	Documentation/topics/benchmarks/early-completion-throughput.svg \
	Documentation/topics/benchmarks/latency-64-bytes-percentiles.svg \
	Documentation/topics/benchmarks/rings-64-bytes-guest-1024-ratio.svg \
	Documentation/topics/benchmarks/sizes-cycles.svg \
	Documentation/topics/benchmarks/sizes-ratio.svg \
	Documentation/topics/benchmarks/throughput-past-caches-throughput.svg \
	Documentation/topics/benchmarks/throughput-throughput.svg \
	Documentation/topics/benchmarks/zero-loss-throughput-values.svg

# Manual pages
# ------------

man_MANS = \
	Documentation/ovs-vswitchd-iovtee.8 \
	Documentation/ovs-vswitchd-iovtee.conf.db.5
CLEANFILES += \
	$(man_MANS) \
	Documentation/iovtee.ovsschema
EXTRA_DIST += \
	build-aux/schema-excerpt \
	vswitchd/ovs-vswitchd-iovtee.8.in

Documentation/ovs-vswitchd-iovtee.8: \
	$(srcdir)/vswitchd/ovs-vswitchd-iovtee.8.in \
	$(srcdir)/lib/iovtee-unixctl.man Makefile
	$(AM_V_GEN)$(MKDIR_P) Documentation && \
	$(SED) -e 's/[@]VERSION@/$(VERSION)/;s/[@]OVS_VERSION@/$(OVS_VERSION)/' \
	    -e '/^[@]COMMANDS@$$/{r $(srcdir)/lib/iovtee-unixctl.man' \
	    -e 'd;}' $(srcdir)/vswitchd/ovs-vswitchd-iovtee.8.in > $@.tmp && \
	mv $@.tmp $@

# By Open vSwitch's own tool, so that it looks like ovs-vswitchd.conf.db(5).
Documentation/ovs-vswitchd-iovtee.conf.db.5: \
	$(srcdir)/vswitchd/iovtee.xml $(srcdir)/build-aux/schema-excerpt \
	$(OVS_BUILT)
	$(AM_V_GEN)$(MKDIR_P) Documentation && \
	python3 $(srcdir)/build-aux/schema-excerpt \
	    $(OVS_DIR)/src/vswitchd/vswitch.ovsschema \
	    $(srcdir)/vswitchd/iovtee.xml > Documentation/iovtee.ovsschema && \
	PYTHONPATH=$(OVS_DIR)/src/python PYTHONDONTWRITEBYTECODE=yes \
	    python3 $(OVS_DIR)/src/ovsdb/ovsdb-doc --version=$(OVS_VERSION) \
	        Documentation/iovtee.ovsschema $(srcdir)/vswitchd/iovtee.xml \
	    > $@.tmp && \
	mv $@.tmp $@

# HTML
# ----
#
# Not part of "make all", as it needs Sphinx.

DOC_HTML = \
	CONTRIBUTING.rst \
	README.rst \
	$(DOC_PLOTS) \
	$(DOC_SOURCE)
EXTRA_DIST += \
	Documentation/conf.py \
	build-aux/docs-html

docs: html
html-local: $(man_MANS)
	$(AM_V_GEN)$(srcdir)/build-aux/docs-html $(srcdir) $(VERSION) \
	    $(DOC_HTML) $(man_MANS) $(dist_man_MANS)

install-html-local:
	$(MKDIR_P) $(DESTDIR)$(htmldir)
	cp -R Documentation/html $(DESTDIR)$(htmldir)

clean-local: clean-docs
clean-docs:
	-rm -rf Documentation/html Documentation/html.d
.PHONY: clean-docs docs
