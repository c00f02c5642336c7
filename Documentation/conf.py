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

# How Sphinx makes HTML of these pages, see build-aux/docs-html.
#
# Pages link to each other by the names of their files, so that one can follow
# the links also where the source is shown.  Here each such link becomes one to
# the page that was made of the file, and one without a target is a warning.

import os
import posixpath

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

project = 'IOVTee for Open vSwitch'
copyright = '2026, The IOVTee for Open vSwitch authors'
version = release = os.environ.get('IOVTEE_VERSION', '')
root_doc = 'Documentation/contents'
html_title = project
html_theme = 'alabaster'
html_theme_options = {'page_width': '1100px', 'sidebar_width': '250px',
                      'description': 'NICs write straight into guests'}
html_sidebars = {'**': ['about.html', 'searchbox.html', 'navigation.html']}
html_copy_source = False
html_show_sphinx = False
highlight_language = 'none'
smartquotes = False


def page_of(page, path):
    """The name of the page that 'path' in a link of 'page' is, and what is
    behind the '#'."""
    path, _, anchor = path.partition('#')
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    return path[:-len('.rst')], anchor


def is_link(node):
    uri = node.get('refuri', '')
    return '://' not in uri and uri.partition('#')[0].endswith('.rst')


def resolve_links(app, doctree, page):
    for node in doctree.findall(nodes.reference):
        if not is_link(node):
            continue
        target, anchor = page_of(page, node['refuri'])
        if target not in app.env.found_docs:
            logger.warning('no page %s', node['refuri'], location=node)
            continue
        ids = {i for n in app.env.get_doctree(target).findall(nodes.Element)
               for i in n.get('ids', ())}
        if anchor and anchor not in ids:
            logger.warning('no section %s', node['refuri'], location=node)
            continue
        node['refuri'] = (app.builder.get_relative_uri(page, target)
                          + ('#' + anchor if anchor else ''))


def setup(app):
    app.connect('doctree-resolved', resolve_links)
