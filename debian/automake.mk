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

EXTRA_DIST += \
	debian/changelog \
	debian/check-deb \
	debian/check-upgrade \
	debian/control \
	debian/copyright \
	debian/openvswitch-switch-iovtee-doc.doc-base \
	debian/openvswitch-switch-iovtee.README.Debian \
	debian/openvswitch-switch-iovtee.docs \
	debian/openvswitch-switch-iovtee.postinst \
	debian/openvswitch-switch-iovtee.prerm \
	debian/ovs-vswitchd-iovtee.in \
	debian/rules \
	debian/source/format \
	debian/tests/control \
	debian/tests/smoke

# Packages for apt, in the folder "deb" of the build directory.  Built from
# what "make dist" would pack, by itself: nothing of this build is used.
DEB_FLAGS = -b -us -uc
deb: distdir
	rm -rf deb/$(distdir)
	$(MKDIR_P) deb
	mv $(distdir) deb/$(distdir)
	cd deb/$(distdir) && dpkg-buildpackage $(DEB_FLAGS)
	@ls deb/*.deb

# Builds the packages twice, compares and examines them, and tries them in a
# root of Debian's, which it makes.
check-deb:
	+$(srcdir)/debian/check-deb $(MAKE)

clean-local: clean-deb
clean-deb:
	-rm -rf deb check-deb
.PHONY: check-deb clean-deb deb
