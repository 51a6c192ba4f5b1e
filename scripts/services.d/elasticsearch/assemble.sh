#!/usr/bin/env bash
# Lays out a runnable Elasticsearch node in DEST from published jars and our own few sources: assemble.sh DEST VERSION MAVEN_REPOSITORY
# Needs a JDK 17 or newer and Maven. A release of Elasticsearch itself is in no package registry, but its server and its HTTP module are.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$1 version=$2 repository=$3

rm -rf "$dest"
netty=$dest/modules/transport-netty4
mkdir -p "$dest/lib" "$netty" "$dest/modules/root" "$dest/plugins" "$dest/build/server" "$dest/build/root"
# A registry that stumbles once must not cost a run of CI, and one that is silent must not hang it.
jars() {
  mvn -B -q -U -Dstyle.color=never -Dmaven.wagon.rto=60000 -f "$here/pom.xml" -Dmaven.repo.local="$repository" \
    -Delasticsearch.version="$version" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$dest/lib" >"$dest/build/maven.log" 2>&1
}
if ! jars && ! jars; then
  cat "$dest/build/maven.log"
  echo "Maven could not fetch the jars: $(grep -m 1 ERROR "$dest/build/maven.log")"
  exit 1
fi

# The HTTP module lies as in a release: a folder with its jars and its descriptor. The line "modulename" goes, because the server
# is on the class path here and so is no named module.
mv "$dest"/lib/transport-netty4-*.jar "$dest"/lib/elasticsearch-ssl-config-*.jar "$dest"/lib/netty-*.jar "$netty/"
(cd "$dest/build" && jar xf "$netty"/transport-netty4-*.jar META-INF/es-plugins)
grep -vE '^(#|modulename=|$)' "$dest/build/META-INF/es-plugins/transport-netty4/plugin-descriptor.properties" \
  >"$netty/plugin-descriptor.properties"

javac --release 17 -nowarn -cp "$dest/lib/*" -d "$dest/build/server" "$here"/src/server/*.java
jar cf "$dest/lib/test-server.jar" -C "$dest/build/server" .
javac --release 17 -nowarn -cp "$dest/lib/*" -d "$dest/build/root" "$here"/src/root/*.java
jar cf "$dest/modules/root/root.jar" -C "$dest/build/root" .
cat >"$dest/modules/root/plugin-descriptor.properties" <<END
name=root
description=GET / for tests
version=$version
elasticsearch.version=$version
java.version=17
classname=local.root.RootPlugin
END
cp -R "$here/config" "$dest/config"
rm -rf "$dest/build"
